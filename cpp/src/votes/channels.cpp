// Whether arrays may be channels, the classes of one rater.
#include "fastfuse/array_view.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace fastfuse {
namespace {

// Sums in another order differ in their last bits: what lies that near the tolerance is left to a closer
// look.
constexpr double rounding = 1e-9;

// The next voxel of the grid in C order; false after the last one.
bool advance(std::vector<std::int64_t>& voxel, const std::vector<std::int64_t>& shape, std::int64_t few) {
    for (std::size_t axis = voxel.size(); axis-- > 0;) {
        voxel[axis] += std::max<std::int64_t>(1, shape[axis] / few);
        if (voxel[axis] < shape[axis]) return true;
        voxel[axis] = 0;
    }
    return false;
}

} // namespace

bool may_sum_to(const std::vector<View>& arrays, const std::vector<std::int64_t>& shape, const Total& total,
                std::int64_t few) {
    std::vector<std::int64_t> voxel(shape.size(), 0);
    do {
        double sum = 0;
        for (const View& array : arrays) {
            std::ptrdiff_t offset = 0;
            for (std::size_t axis = 0; axis < shape.size(); ++axis)
                offset += voxel[axis] * array.strides[axis];
            sum += value_at(array, array.data + offset);
        }
        if (sum != 0 && !(std::abs(sum / total.value - 1) <= total.tolerance + rounding)) return false;
    } while (advance(voxel, shape, few));
    return true;
}

} // namespace fastfuse
