// Probabilities from their logarithms.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace fastfuse {

// Sets r to e^r / Σ e^r, and returns ln Σ e^r.
template <std::size_t n> double normalise(std::array<double, n>& r) {
    const double most = *std::max_element(r.begin(), r.end());
    double sum = 0;
    for (double& one : r)
        sum += one = std::exp(one - most);
    for (double& one : r)
        one /= sum;
    return most + std::log(sum);
}

} // namespace fastfuse
