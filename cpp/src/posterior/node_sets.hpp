// Nodes of the characteristic function: which set of them serves which range of S. Shared by
// characteristic.cpp and its twin on the device.
#pragma once

#include <cmath>
#include <cstddef>

namespace fastfuse {

constexpr double pi = 3.14159265358979323846;
constexpr double negligible = 37; // e^−37 is less than the rounding of 1
constexpr double least_period = negligible + 6;
constexpr double period_ratio = 1.25; // from one set of nodes to the next
constexpr double last_node = negligible / pi;
constexpr double one_sided = 1;    // a range of S that ends so far from 0 is expanded
constexpr double rounding = 1e-18; // less than that of any sum, relative to it
constexpr int worth_bounding = 12; // so many doubts

// Of the nodes of a set, 2π/h.
inline double period_of(std::size_t set) {
    return least_period * std::pow(period_ratio, static_cast<double>(set));
}

// The set whose nodes suffice where |S| stays below.
inline std::size_t set_within(double largest) {
    const double ratio = (largest + negligible) / least_period;
    return ratio <= 1 ? 0 : static_cast<std::size_t>(std::ceil(std::log(ratio) / std::log(period_ratio)));
}

} // namespace fastfuse
