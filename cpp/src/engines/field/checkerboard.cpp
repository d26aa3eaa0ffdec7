#include "engines/field/checkerboard.hpp"

namespace fastfuse {

Checkerboard::Checkerboard(const std::vector<std::int64_t>& shape)
    : shape_(shape), step_(shape.size(), 1), length_(shape.back()), half_((length_ + 1) / 2), lines_(1) {
    for (std::size_t axis = shape.size() - 1; axis-- > 0; lines_ *= shape[axis])
        step_[axis] = lines_;
}

int Checkerboard::half_of(std::int64_t line, int colour) const {
    std::int64_t sum = colour;
    for (std::size_t axis = 0; axis + 1 < shape_.size(); ++axis)
        sum += line / step_[axis] % shape_[axis];
    return static_cast<int>(sum % 2);
}

std::array<std::int64_t, 2> Checkerboard::neighbours(std::int64_t line, std::size_t axis) const {
    const std::int64_t coordinate = line / step_[axis] % shape_[axis];
    return {coordinate > 0 ? line - step_[axis] : -1,
            coordinate + 1 < shape_[axis] ? line + step_[axis] : -1};
}

} // namespace fastfuse
