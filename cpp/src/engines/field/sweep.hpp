// E-step of a run of voxels that are no neighbours.
//
//   l    logit π'_t = logit π + β Σ_s k_st (2 w_s − 1)
//   S    log-odds of a row's votes, Σ_i log a_i1 − log a_i0
//   w    σ(l + S)                                      eqs. (2), (12), (13)
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fastfuse {

constexpr std::int64_t sweep_voxels = 512; // voxels of one call, a multiple of 8

// Logits of the least and the greatest prior: 1e-300 and 1 − 2^-53.
constexpr double least_logit = -690.77552789821368, greatest_logit = 36.736800569677101;

struct SweepScratch {
    std::array<double, sweep_voxels> logit{};           // l
    std::array<double, sweep_voxels> w{}, u{};          // w and 1 − w
    std::array<double, sweep_voxels> after{}, before{}; // 1 + e^{−|l + S|}, 1 + e^{−|l|}
    std::array<double, sweep_voxels> positive{};        // max(l + S, 0) − max(l, 0)
};

// Neighbours of voxels along an axis. W: float or double.
template <class W> struct Beside {
    const W *a, *b;
    double coupling;
};

// Adds 2k (w_a + w_b − 1) to l, for the two neighbours a and b of each voxel along an axis.
void add_pull(const Beside<float>& axis, std::int64_t n, double* logit);
void add_pull(const Beside<double>& axis, std::int64_t n, double* logit);

// Adds the pulls along three axes to l, in this order: one pass in place of three.
void pull_along_three(const Beside<float> (&axis)[3], std::int64_t n, double* logit);
void pull_along_three(const Beside<double> (&axis)[3], std::int64_t n, double* logit);

// Whether all values are the same: the rows of background are.
template <class T> bool are_one(const T* values, std::int64_t n) {
    return std::memcmp(values, values + 1, static_cast<std::size_t>(n - 1) * sizeof *values) == 0;
}

// Voxels begin … end − 1, between others, all have the values of voxel `like`; theirs are not set.
struct Middle {
    std::size_t begin = 0, end = 0, like = 0;
    double size() const { return static_cast<double>(end - begin); }
};

// Finds the other values from l, and from the S that `w` holds. `one_row`: all S are the same.
Middle find_w(bool one_row, std::int64_t n, SweepScratch& scratch);

// Σ w and Σ (1 − w) of a run, of its even and its odd voxels: an addition need not wait for the one before.
struct RunSums {
    std::array<double, 2> w{}, u{};
};

// Writes w, unless it is null; returns the sums. Those in the middle are taken at once.
RunSums put_run(const SweepScratch& scratch, const Middle& middle, std::int64_t n, float* w);
RunSums put_run(const SweepScratch& scratch, const Middle& middle, std::int64_t n, double* w);

// Σ log(1 − π'_t + π'_t e^S): the likelihood without Σ_i log a_i0.
double log_evidence(const SweepScratch& scratch, const Middle& middle, std::int64_t n);

// The same of one voxel.
inline double log_evidence_of(const SweepScratch& scratch, std::size_t voxel) {
    return scratch.positive[voxel] + std::log(scratch.after[voxel] / scratch.before[voxel]);
}

} // namespace fastfuse
