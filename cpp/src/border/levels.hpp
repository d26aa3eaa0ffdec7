// The grid of latent levels, and the logistic function.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "fastfuse/border.hpp"

namespace fastfuse::border {

using Levels = std::array<double, border_levels>;

constexpr double tiny = 1e-300;

inline double level(std::size_t g) { return -15 + 0.75 * static_cast<double>(g); }

// ln s(x), finite for every x.
inline double log_logistic(double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x))); }
inline double logistic(double x) { return std::exp(log_logistic(x)); }

} // namespace fastfuse::border
