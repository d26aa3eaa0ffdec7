#include "engines/sweep.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

using Doubles = kernels::Lanes<double, 64>;
using Words = kernels::Lanes<std::int64_t, 64>;
constexpr std::int64_t width = kernels::lanes_in<double, 64>;
static_assert(sweep_voxels % width == 0);

FASTFUSE_INLINE Doubles all(double value) { return kernels::broadcast<Doubles>(value); }

// 2^k, for k in [−1022, 1023], a whole number.
FASTFUSE_INLINE Doubles power_of_two(const Doubles& k) {
    const Doubles shifted = k + all(1023 + 0x1p52); // k + 1023 in the lowest bits
    Words bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits <<= 52;
    Doubles power;
    std::memcpy(&power, &bits, sizeof power);
    return power;
}

// e^x of x in [−700, 0], to 2 units in the last place: e^x = 2^k e^r, |r| ≤ ln 2 / 2, Taylor to r^13.
FASTFUSE_INLINE Doubles exp_of_negative(const Doubles& x) {
    constexpr double log2_e = 1.4426950408889634, magic = 0x1.8p52;
    constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    const Doubles k = (x * log2_e + magic) - magic; // to the nearest whole number
    const Doubles r = (x - k * ln2_high) - k * ln2_low;
    Doubles sum = r * (1.0 / 6227020800) + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 1.0 / 2;
    sum = sum * r + 1;
    sum = sum * r + 1;
    return sum * power_of_two(k);
}

// Logits of the least and the greatest prior: 1e-300 and 1 − 2^-53.
constexpr double least_logit = -690.77552789821368, greatest_logit = 36.736800569677101;
constexpr double least_exponent = -700;

bool have_one_logit(const double* logit, std::int64_t n) {
    return std::memcmp(logit, logit + 1, static_cast<std::size_t>(n - 1) * sizeof *logit) == 0;
}

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
        const Doubles e = exp_of_negative(x_away < least_exponent ? all(least_exponent) : x_away);
        const Doubles share = 1 / (1 + e);
        kernels::store(w + j, (x < 0 ? e : one) * share);
        kernels::store(u + j, (x < 0 ? one : e) * share);
        kernels::store(&scratch.after[k], 1 + e);
        kernels::store(&scratch.before[k], 1 + exp_of_negative(l_away));
        kernels::store(&scratch.positive[k], (x < 0 ? zero : x) - (l < 0 ? zero : l));
    }
}

} // namespace

FASTFUSE_CLONES void add_pull(const double* a, const double* b, double coupling, std::int64_t n,
                              double* logit) {
    for (std::int64_t j = 0; j < n; ++j)
        logit[j] += 2 * coupling * (a[j] + b[j] - 1);
}

FASTFUSE_CLONES void pull_along_three(double logit_prior, const Beside (&axis)[3], std::int64_t n,
                                      double* logit) {
    const auto [a0, b0, k0] = axis[0];
    const auto [a1, b1, k1] = axis[1];
    const auto [a2, b2, k2] = axis[2];
    for (std::int64_t j = 0; j < n; ++j)
        logit[j] = logit_prior + 2 * k0 * (a0[j] + b0[j] - 1) + 2 * k1 * (a1[j] + b1[j] - 1) +
                   2 * k2 * (a2[j] + b2[j] - 1);
}

bool have_one_row(const std::int32_t* row, std::int64_t n) {
    return std::memcmp(row, row + 1, static_cast<std::size_t>(n - 1) * sizeof *row) == 0;
}

// Where all voxels have one row, and all but those at the ends one l, one of them stands for the others.
FASTFUSE_CLONES void find_w(const std::int32_t* row, bool one_row, const double* log_odds, std::int64_t n,
                            SweepScratch& scratch) {
    if (one_row)
        std::fill_n(scratch.w.begin(), n, log_odds[row[0]]);
    else
        for (std::int64_t j = 0; j < n; ++j)
            scratch.w[static_cast<std::size_t>(j)] = log_odds[row[j]];
    const std::int64_t last = (n - width) / width * width; // where the last whole vector begins
    if (!one_row || last < 3 * width || !have_one_logit(scratch.logit.data() + width, last - width))
        return find_between(0, n, scratch);
    find_between(0, 2 * width, scratch);
    find_between(last, n, scratch);
    const auto known = static_cast<std::ptrdiff_t>(width);
    for (auto* values : {&scratch.w, &scratch.u, &scratch.after, &scratch.before, &scratch.positive})
        std::fill(values->begin() + 2 * known, values->begin() + last, *(values->begin() + known));
}

// Factors lie in [1, 2], so that the products over sweep_voxels voxels are far from overflow.
FASTFUSE_CLONES double log_evidence(const SweepScratch& scratch, std::int64_t n) {
    std::array<double, 8> sum{}, after{}, before{};
    after.fill(1);
    before.fill(1);
    const std::int64_t whole = n - n % 8;
    for (std::int64_t j = 0; j < whole; j += 8)
        for (std::int64_t lane = 0; lane < 8; ++lane) {
            const auto k = static_cast<std::size_t>(lane), at = static_cast<std::size_t>(j + lane);
            sum[k] += scratch.positive[at];
            after[k] *= scratch.after[at];
            before[k] *= scratch.before[at];
        }
    for (std::int64_t j = whole; j < n; ++j) {
        const auto k = static_cast<std::size_t>(j - whole), at = static_cast<std::size_t>(j);
        sum[k] += scratch.positive[at];
        after[k] *= scratch.after[at];
        before[k] *= scratch.before[at];
    }
    double total = 0;
    for (std::size_t k = 0; k < 8; ++k)
        total += sum[k] + std::log(after[k] / before[k]);
    return total;
}

} // namespace fastfuse
