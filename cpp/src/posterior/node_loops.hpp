// Loops over nodes of the characteristic function: products and weighted sums.
//
//   φ(ω)     characteristic function of S, real and imaginary parts apart; symbols as in characteristic.hpp
#pragma once

#include <cstddef>

namespace fastfuse {

// e^{iω base} at n nodes: ω = first, first + step, …
void turn_by(double base, double first, double step, std::size_t n, double* real, double* imaginary);

// φ times (1 − q) + q e^{iω gain}.
void multiply(std::size_t n, double q, const double* cosine, const double* sine, const double* from_real,
              const double* from_imaginary, double* real, double* imaginary);

// φ times the factors of two raters.
void multiply_both(std::size_t n, double q1, const double* cosine1, const double* sine1, double q2,
                   const double* cosine2, const double* sine2, double* real, double* imaginary);

// Σ Im φ / sinh πω and Σ (1 − Re φ) / (ω sinh πω).
void weigh(std::size_t n, const double* weight, const double* log_weight, const double* real,
           const double* imaginary, double& odd, double& even);

// Σ Im ψ / sinh πω and Σ Im ψ e^{iω gain} / sinh πω, ψ the product of all raters but one.
void weigh_without(std::size_t n, const double* weight, const double* cosine, const double* sine,
                   const double* prefix_real, const double* prefix_imaginary, const double* suffix_real,
                   const double* suffix_imaginary, double& without, double& with_mark);

double largest_square(std::size_t n, const double* real, const double* imaginary);

} // namespace fastfuse
