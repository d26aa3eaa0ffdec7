#include "engines/field/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "support/lanes.hpp"
#include "support/lanes_exp.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

using Doubles = kernels::Lanes<double, 64>;
constexpr std::int64_t width = kernels::lanes_in<double, 64>;
static_assert(sweep_voxels % width == 0);

FASTFUSE_INLINE Doubles all(double value) { return kernels::broadcast<Doubles>(value); }

constexpr double least_exponent = -700;

// Finds the values of voxels first … end − 1; those beyond the end are not used.
FASTFUSE_INLINE void find_between(std::int64_t first, std::int64_t end, SweepScratch& scratch) {
    double* logit = scratch.logit.data();
    double* w = scratch.w.data();
    double* u = scratch.u.data();
    for (std::int64_t j = first; j < end; j += width) {
        const auto k = static_cast<std::size_t>(j);
        const Doubles zero = all(0), one = all(1);
        Doubles l = kernels::load<Doubles>(logit + j);
        l = l < least_logit ? all(least_logit) : l;
        l = l > greatest_logit ? all(greatest_logit) : l;
        const Doubles x = l + kernels::load<Doubles>(w + j);
        const Doubles x_away = x < 0 ? x : -x, l_away = l < 0 ? l : -l;
        const Doubles e =
            kernels::exp_of_negative<64>(x_away < least_exponent ? all(least_exponent) : x_away);
        const Doubles share = 1 / (1 + e);
        kernels::store(w + j, (x < 0 ? e : one) * share);
        kernels::store(u + j, (x < 0 ? one : e) * share);
        kernels::store(&scratch.after[k], 1 + e);
        kernels::store(&scratch.before[k], 1 + kernels::exp_of_negative<64>(l_away));
        kernels::store(&scratch.positive[k], (x < 0 ? zero : x) - (l < 0 ? zero : l));
    }
}

template <class W> FASTFUSE_INLINE void add_pull_of(const Beside<W>& axis, std::int64_t n, double* logit) {
    const auto [a, b, k] = axis;
    for (std::int64_t j = 0; j < n; ++j)
        logit[j] += 2 * k * (static_cast<double>(a[j]) + static_cast<double>(b[j]) - 1);
}

template <class W>
FASTFUSE_INLINE void pull_three(const Beside<W> (&axis)[3], std::int64_t n, double* logit) {
    const auto [a0, b0, k0] = axis[0];
    const auto [a1, b1, k1] = axis[1];
    const auto [a2, b2, k2] = axis[2];
    const auto pull = [](W a, W b, double k) {
        return 2 * k * (static_cast<double>(a) + static_cast<double>(b) - 1);
    };
    for (std::int64_t j = 0; j < n; ++j)
        logit[j] = logit[j] + pull(a0[j], b0[j], k0) + pull(a1[j], b1[j], k1) + pull(a2[j], b2[j], k2);
}

template <class W>
RunSums put_run_of(const SweepScratch& scratch, const Middle& middle, std::int64_t n, W* w) {
    RunSums sums;
    const auto take = [&](std::size_t begin, std::size_t end) {
        for (std::size_t k = begin; k < end; ++k) {
            sums.w[k % 2] += scratch.w[k];
            sums.u[k % 2] += scratch.u[k];
            if (w) w[k] = static_cast<W>(scratch.w[k]);
        }
    };
    take(0, middle.begin);
    take(middle.end, static_cast<std::size_t>(n));
    if (w) std::fill(w + middle.begin, w + middle.end, static_cast<W>(scratch.w[middle.like]));
    sums.w[0] += middle.size() * scratch.w[middle.like];
    sums.u[0] += middle.size() * scratch.u[middle.like];
    return sums;
}

// Factors lie in [1, 2], so that the products over sweep_voxels voxels are far from overflow.
FASTFUSE_CLONES double log_evidence_between(const SweepScratch& scratch, std::size_t begin, std::size_t end) {
    std::array<double, 8> sum{}, after{}, before{};
    after.fill(1);
    before.fill(1);
    const std::size_t whole = end - (end - begin) % 8;
    for (std::size_t j = begin; j < whole; j += 8)
        for (std::size_t k = 0; k < 8; ++k) {
            sum[k] += scratch.positive[j + k];
            after[k] *= scratch.after[j + k];
            before[k] *= scratch.before[j + k];
        }
    for (std::size_t j = whole; j < end; ++j) {
        sum[j - whole] += scratch.positive[j];
        after[j - whole] *= scratch.after[j];
        before[j - whole] *= scratch.before[j];
    }
    double total = 0;
    for (std::size_t k = 0; k < 8; ++k) {
        total += sum[k];
        if (k > 0) after[0] *= after[k], before[0] *= before[k];
    }
    return total + std::log(after[0] / before[0]);
}

} // namespace

FASTFUSE_CLONES void add_pull(const Beside<float>& axis, std::int64_t n, double* logit) {
    add_pull_of(axis, n, logit);
}

FASTFUSE_CLONES void add_pull(const Beside<double>& axis, std::int64_t n, double* logit) {
    add_pull_of(axis, n, logit);
}

FASTFUSE_CLONES void pull_along_three(const Beside<float> (&axis)[3], std::int64_t n, double* logit) {
    pull_three(axis, n, logit);
}

FASTFUSE_CLONES void pull_along_three(const Beside<double> (&axis)[3], std::int64_t n, double* logit) {
    pull_three(axis, n, logit);
}

// Where all voxels have one row, and all but those at the ends one l, one of them stands for the others.
FASTFUSE_CLONES Middle find_w(bool one_row, std::int64_t n, SweepScratch& scratch) {
    const std::int64_t last = (n - width) / width * width; // where the last whole vector begins
    if (!one_row || last < 3 * width || !are_one(scratch.logit.data() + width, last - width)) {
        find_between(0, n, scratch);
        return {};
    }
    find_between(0, 2 * width, scratch);
    find_between(last, n, scratch);
    return {static_cast<std::size_t>(2 * width), static_cast<std::size_t>(last),
            static_cast<std::size_t>(width)};
}

RunSums put_run(const SweepScratch& scratch, const Middle& middle, std::int64_t n, float* w) {
    return put_run_of(scratch, middle, n, w);
}

RunSums put_run(const SweepScratch& scratch, const Middle& middle, std::int64_t n, double* w) {
    return put_run_of(scratch, middle, n, w);
}

double log_evidence(const SweepScratch& scratch, const Middle& middle, std::int64_t n) {
    const auto end = static_cast<std::size_t>(n);
    if (middle.begin == middle.end) return log_evidence_between(scratch, 0, end);
    return log_evidence_between(scratch, 0, middle.begin) +
           middle.size() * log_evidence_of(scratch, middle.like) +
           log_evidence_between(scratch, middle.end, end);
}

} // namespace fastfuse
