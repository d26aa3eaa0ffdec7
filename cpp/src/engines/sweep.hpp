// The E-step of voxels that lie one after another and share no face.
//
//   l    logit π'_t = logit π + β Σ_s k_st (2 w_s − 1)
//   S    log-odds of a row's votes, Σ_i log a_i1 − log a_i0
//   w    σ(l + S)                                      eqs. (2), (12), (13)
#pragma once

#include <array>
#include <cstdint>

namespace fastfuse {

constexpr std::int64_t sweep_voxels = 512; // at a time, a multiple of 8

struct SweepScratch {
    std::array<double, sweep_voxels> logit{};           // l
    std::array<double, sweep_voxels> w{}, u{};          // w and 1 − w
    std::array<double, sweep_voxels> after{}, before{}; // 1 + e^{−|l + S|}, 1 + e^{−|l|}
    std::array<double, sweep_voxels> positive{};        // max(l + S, 0) − max(l, 0)
};

// Adds 2k (w_a + w_b − 1) to l: what a pair of neighbours along an axis pulls.
void add_pull(const double* a, const double* b, double coupling, std::int64_t n, double* logit);

// From l to the rest. `row`: of each voxel; `log_odds`: of each row.
void find_w(const std::int32_t* row, const double* log_odds, std::int64_t n, SweepScratch& scratch);

// Σ log(1 − π'_t + π'_t e^S): the likelihood, apart from Σ_i log a_i0.
double log_evidence(const SweepScratch& scratch, std::int64_t n);

} // namespace fastfuse
