#include "em/acceleration/squarem.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "em/acceleration/coordinates.hpp"

namespace fastfuse {
namespace {

// EM moves slowly near 0 and 1, so that a rate extrapolated to there would seem to have converged. The
// extrapolation leaves at least this fraction of the distance to 0 or 1.
constexpr double nearest = 0.125;

Coordinate within_reach(const Coordinate& beyond, const Coordinate& now) {
    if (beyond.rate < nearest * now.rate) return {nearest * now.rate, 1 - nearest * now.rate};
    if (beyond.complement < nearest * now.complement)
        return {1 - nearest * now.complement, nearest * now.complement};
    return beyond;
}

} // namespace

//   r = z₁ − z₀     v = (z₂ − z₁) − r     α = −‖r‖ / ‖v‖     z = z₀ − 2αr + α²v (z₂ if α = −1)
Performance extrapolate(const Performance& first, const Performance& second, const Performance& third,
                        bool with_prior) {
    const auto z0 = coordinates_of(first, with_prior), z1 = coordinates_of(second, with_prior),
               z2 = coordinates_of(third, with_prior);
    double r2 = 0, v2 = 0;
    for (std::size_t k = 0; k < z0.size(); ++k) {
        const double r = z1[k].rate - z0[k].rate, v = z2[k].rate - z1[k].rate - r;
        r2 += r * r;
        v2 += v * v;
    }
    const double alpha = v2 > 0 ? std::min(-1.0, -std::sqrt(r2 / v2)) : -1.0;
    const auto line = [alpha](double a, double b, double c) {
        return a - 2 * alpha * (b - a) + alpha * alpha * (c - 2 * b + a);
    };
    // α² magnifies rounding errors, and rate + complement > 1 would raise the likelihood: with_coordinates
    // divides by the sum.
    std::vector<Coordinate> beyond;
    for (std::size_t k = 0; k < z0.size(); ++k)
        beyond.push_back(within_reach({line(z0[k].rate, z1[k].rate, z2[k].rate),
                                       line(z0[k].complement, z1[k].complement, z2[k].complement)},
                                      z2[k]));
    return with_coordinates(third, beyond);
}

} // namespace fastfuse
