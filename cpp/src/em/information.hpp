// Observed information on the performances, from which their standard errors follow.
//
// Louis: Finding the observed information matrix when using the EM algorithm, JRSS B 44(2), 1982. With the
// truth T known, a row's log-likelihood has the score x_1 (T = 1) or x_0 (T = 0) and a diagonal curvature;
// with T unknown,
//
//   I = Σ_r c [ w k_1 + u k_0 − w u (x_1 − x_0)(x_1 − x_0)^T ]
//
//   x   of eq. (10)'s mixture: (2q − 1)/a_i1 for θ_i1 where T = 1, (1 − 2q)/a_i0 for θ_i0 where T = 0
//   k   curvature of each parameter: x²
//
// Fractional votes are not drawn from the model's likelihood. The covariance of the estimate is then the
// robust sandwich estimator I^−1 V I^−1, V the covariance of the rows' scores s = w x_1 + u x_0: White,
// Econometrica 50(1), 1982.
//
//   V = Σ_r c s s^T
//
// Order of the parameters: θ_11 … θ_m1, θ_10 … θ_m0, and π where it is estimated.
#pragma once

#include <vector>

#include "em/em.hpp"
#include "fastfuse/threads.hpp"
#include "posterior/product.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

struct Observed {
    std::vector<double> information, variability; // square matrices, row by row
};

// A square matrix, row by row. Model: product, or log_linear.
std::vector<double> information(const Rows& rows, Model model, const Performance& performance,
                                const Options& options, const Team& team);

// V, for every model with an M-step that maximises.
std::vector<double> variability(const Rows& rows, Model model, const Performance& performance,
                                bool with_prior, const Team& team);

} // namespace fastfuse
