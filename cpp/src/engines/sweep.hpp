// E-step of a run of voxels that are no neighbours.
//
//   l    logit π'_t = logit π + β Σ_s k_st (2 w_s − 1)
//   S    log-odds of a row's votes, Σ_i log a_i1 − log a_i0
//   w    σ(l + S)                                      eqs. (2), (12), (13)
#pragma once

#include <array>
#include <cstdint>

namespace fastfuse {

constexpr std::int64_t sweep_voxels = 512; // voxels of one call, a multiple of 8

struct SweepScratch {
    std::array<double, sweep_voxels> logit{};           // l
    std::array<double, sweep_voxels> w{}, u{};          // w and 1 − w
    std::array<double, sweep_voxels> after{}, before{}; // 1 + e^{−|l + S|}, 1 + e^{−|l|}
    std::array<double, sweep_voxels> positive{};        // max(l + S, 0) − max(l, 0)
};

// Adds 2k (w_a + w_b − 1) to l, for the two neighbours a and b of each voxel along an axis.
void add_pull(const double* a, const double* b, double coupling, std::int64_t n, double* logit);

// Neighbours of voxels along an axis.
struct Beside {
    const double *a, *b;
    double coupling;
};

// Sets l to the prior's, and adds the pulls along three axes, in this order: one pass in place of four.
void pull_along_three(double logit_prior, const Beside (&axis)[3], std::int64_t n, double* logit);

// Whether all voxels have one row, as in background.
bool have_one_row(const std::int32_t* row, std::int64_t n);

// Finds the other values from l. `row`: of each voxel, `one_row` if they are all the same; `log_odds`: S of
// each row.
void find_w(const std::int32_t* row, bool one_row, const double* log_odds, std::int64_t n,
            SweepScratch& scratch);

// Σ log(1 − π'_t + π'_t e^S): the likelihood without Σ_i log a_i0.
double log_evidence(const SweepScratch& scratch, std::int64_t n);

} // namespace fastfuse
