// Sets of nodes of the characteristic function, and the range of S that each serves. Also compiled by nvcc.
#pragma once

#include <cmath>
#include <cstddef>

#ifdef __CUDACC__
#define FASTFUSE_HOST_DEVICE __host__ __device__
#else
#define FASTFUSE_HOST_DEVICE
#endif

namespace fastfuse {

constexpr double pi = 3.14159265358979323846;
constexpr double negligible = 37; // e^−37 is less than the rounding of 1
constexpr double least_period = negligible + 6;
constexpr double period_ratio = 1.25; // ratio of the periods of two successive sets
constexpr double last_node = negligible / pi;

// Period 2π/h of a set of nodes.
FASTFUSE_HOST_DEVICE inline double period_of(std::size_t set) {
    return least_period * std::pow(period_ratio, static_cast<double>(set));
}

// The smallest set whose nodes suffice for |S| ≤ `largest`.
FASTFUSE_HOST_DEVICE inline std::size_t set_within(double largest) {
    const double ratio = (largest + negligible) / least_period;
    return ratio <= 1 ? 0 : static_cast<std::size_t>(std::ceil(std::log(ratio) / std::log(period_ratio)));
}

} // namespace fastfuse
