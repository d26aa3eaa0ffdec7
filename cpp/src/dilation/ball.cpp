#include "dilation/ball.hpp"

#include <algorithm>

namespace fastfuse {
namespace {

constexpr double radius_tolerance = 1e-6; // relative

double enlarged_mm(const Ball& ball) { return ball.radius_mm * (1 + radius_tolerance); }

} // namespace

double squared_mm(const Coordinates& step, const std::array<double, 3>& spacing_mm) {
    std::array<double, 3> term;
    for (std::size_t axis = 0; axis < 3; ++axis) {
        const double mm = static_cast<double>(step[axis]) * spacing_mm[axis];
        term[axis] = mm * mm;
    }
    std::sort(term.begin(), term.end());
    return term[0] + term[1] + term[2];
}

double squared_radius_mm(const Ball& ball) { return enlarged_mm(ball) * enlarged_mm(ball); }

Coordinates reach_of(const Ball& ball, const std::array<std::int64_t, 3>& extent) {
    Coordinates reach;
    for (std::size_t axis = 0; axis < 3; ++axis)
        reach[axis] = static_cast<std::int64_t>(
            std::min(enlarged_mm(ball) / ball.spacing_mm[axis], static_cast<double>(extent[axis] - 1)));
    return reach;
}

} // namespace fastfuse
