// p(truth 1 | votes), given every rater's performance.
//
// Kats, Goldberger, Greenspan: A Soft STAPLE Algorithm Combined with Anatomical Knowledge, MICCAI 2019.
// Warfield, Zou, Wells: Simultaneous Truth and Performance Level Estimation, IEEE TMI 2004.
//
//   q_i    vote of rater i, the probability that they call the voxel foreground
//   θ_i1   sensitivity p(vote 1 | truth 1)        θ_i0   specificity p(vote 0 | truth 0)
//   π      prior p(truth 1)
//   a_i1   likelihood of vote q_i where truth is 1, q_i θ_i1 + (1 − q_i)(1 − θ_i1)                   eq. (10)
//   a_i0   likelihood of vote q_i where truth is 0, q_i (1 − θ_i0) + (1 − q_i) θ_i0; eq. (10) lacks a bracket
//   w      p(truth 1 | votes)
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "support/raw_vector.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

constexpr double epsilon = 1e-12; // θ stays inside [ε, 1 − ε], so that logarithms and quotients are finite
constexpr int factors_between_scalings = 16; // ε^16 times a mantissa is far from underflow
constexpr double log_2 = 0.693147180559945309417;

// Replaces the value by its mantissa in [1/2, 1), and returns its exponent of 2.
std::int64_t take_exponent(double& value);
double times_power_of_two(double value, std::int64_t exponent);

// Of each row of a batch. As long as the longest batch so far, and not cleared: the memory of whole batches,
// found anew in every E-step, would take longer than the E-step of a small table.
struct Posterior {
    void make_room(std::int64_t rows);
    RawVector<double> foreground;                    // w
    RawVector<double> background;                    // 1 − w, computed apart to keep its digits
    RawVector<double> log_likelihood;                // log p(votes)
    RawVector<double> evidence;                      // scratch
    RawVector<std::array<std::int64_t, 2>> exponent; // scratch of many raters
};

// w = π Π_i a_i1 / (π Π_i a_i1 + (1 − π) Π_i a_i0): of binary votes eq. (2), of soft ones eqs. (12), (13).
void product_posterior(const Batch& batch, const Performance& performance, Posterior& posterior);

// The same with log-odds weighted by the vote in place of eq. (10): a_i1 = θ_i1^q (1 − θ_i1)^(1 − q) and
// a_i0 = (1 − θ_i0)^q θ_i0^(1 − q). On binary votes both give the same w.
void log_linear_posterior(const Batch& batch, const Performance& performance, Posterior& posterior);

// w = mean of the votes that are not missing, 0 where all are missing. EM starts from it, and a majority vote
// takes it.
void mean_vote(const Batch& batch, Posterior& posterior);

} // namespace fastfuse
