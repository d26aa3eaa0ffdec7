// The E-step of simplified-soft-STAPLE on voxels in place, one pass an iteration. CPU counterpart:
// engines/lanes/product.hpp.
//
//   a_i1 = q_i θ_i1 + (1 − q_i)(1 − θ_i1)     a_i0 = q_i (1 − θ_i0) + (1 − q_i) θ_i0           eq. (10)
//   x = π Π_i a_i1                            y = (1 − π) Π_i a_i0
//   w = x / (x + y)                           p(truth 1 | votes)                          eqs. (12), (13)
//
// The M-step sees the vote q_i or, for marks, q_i θ_i1 / a_i1 where truth is 1 and q_i (1 − θ_i0) / a_i0
// where it is 0. The sums are of votes for the less likely mark; the others follow from Σ w and Σ u, u = 1 −
// w.
#include "cuda/sums.cuh"
#include "cuda/votes.cuh"
#include "posterior/product.hpp"

namespace fastfuse::cuda {
namespace {

// Blocks of a multiprocessor: what the registers suffice for.
template <class T, int most> constexpr int at_once = sizeof(T) == 4 && most <= 8 ? 2 : 1;
constexpr int most_at_once = 2;

template <class T> __device__ T vote_towards(T vote, bool yes) { return yes ? vote : T(1) - vote; }

template <class T> __device__ T likelihood(T vote, const Rate<T>& rate) {
    return rate.base + rate.slope * vote_towards(vote, rate.towards_yes); // eq. (10)
}

// To some units in the last place where T is float.
__device__ inline float quotient(float a, float b) { return __fdividef(a, b); }
__device__ inline double quotient(double a, double b) { return a / b; }

// What the M-step sees, as a vote for the less likely mark.
template <class T> __device__ T seen_away(T vote, const Rate<T>& rate, Step step) {
    const T away = vote_towards(vote, !rate.towards_yes);
    return step == Step::marks ? quotient(away * rate.base, likelihood(vote, rate)) : away;
}

// A voxel's w and 1 − w, and x + y for all models except the mean vote.
template <class T> struct Shares {
    T foreground, background, evidence;
};

template <class T, int most>
__device__ Shares<T> shares_of(const T (&vote)[most][quad], int k, int raters, const Rates<T>& rates,
                               Step step) {
    T one = rates.prior, zero = rates.prior_complement, yes = 0, no = 0;
    for_raters<most>(raters, [&](int i) {
        yes += vote[i][k];
        no += T(1) - vote[i][k];
        one *= likelihood(vote[i][k], rates.one[i]);
        zero *= likelihood(vote[i][k], rates.zero[i]);
    });
    if (step == Step::mean_vote) return {yes / T(raters), no / T(raters), T(1)};
    const T evidence = one + zero;
    return {one / evidence, zero / evidence, evidence}; // eqs. (12), (13)
}

// For at most `most` raters, whose votes stay in registers.
template <class T, int most>
__global__ void FASTFUSE_BLOCKS((at_once<T, most>))
    expect_voxels(Columns columns, Rates<T> rates, Step step, Consensus to, double* part, double* extreme) {
    double sum[fixed_sums + 2 * most] = {};
    Extremes extremes;
    for (std::int64_t first = first_quad(); first < columns.voxels; first += quads_apart()) {
        T vote[most][quad];
        for_raters<most>(columns.raters, [&](int i) { read_quad(columns, i, first, vote[i]); });
        T foreground[quad] = {}, background[quad] = {}, evidence[quad] = {};
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k) {
            if (skips(columns, first + k, to)) continue;
            const Shares<T> shares = shares_of<T, most>(vote, k, columns.raters, rates, step);
            foreground[k] = shares.foreground;
            background[k] = shares.background;
            evidence[k] = log(shares.evidence);
            if (!to.data) continue;
            put(to, first + k, shares.foreground);
            extremes.add(shares.foreground);
        }
        sum[0] += over_quad(foreground);
        sum[1] += over_quad(background);
        sum[2] += over_quad(evidence);
        for_raters<most>(columns.raters, [&](int i) {
            T one[quad], zero[quad];
            FASTFUSE_UNROLL
            for (int k = 0; k < quad; ++k) {
                one[k] = foreground[k] * seen_away(vote[i][k], rates.one[i], step);
                zero[k] = background[k] * seen_away(vote[i][k], rates.zero[i], step);
            }
            sum[fixed_sums + 2 * i] += over_quad(one);
            sum[fixed_sums + 2 * i + 1] += over_quad(zero);
        });
    }
    leave_sums(sum, fixed_sums + 2 * columns.raters, part);
    leave_extremes(extremes, extreme);
}

// x and y as mantissa and exponent: neither may underflow, as the smaller can become the larger again.
struct Products {
    double one, zero;
    int one_exponent = 0, zero_exponent = 0;

    __device__ void take_exponents() {
        int exponent;
        one = frexp(one, &exponent);
        one_exponent += exponent;
        zero = frexp(zero, &exponent);
        zero_exponent += exponent;
    }
    __device__ Shares<double> shares(double& log_evidence) {
        take_exponents();
        const int larger = one_exponent > zero_exponent ? one_exponent : zero_exponent;
        const double x = ldexp(one, one_exponent - larger), y = ldexp(zero, zero_exponent - larger);
        log_evidence = log(x + y) + larger * log_2;
        return {x / (x + y), y / (x + y), x + y}; // eqs. (12), (13)
    }
};

__device__ Shares<double> shares_of_many(const Columns& columns, std::int64_t voxel, const ManyRates& rates,
                                         Step step, double& log_evidence) {
    Products products{rates.prior, rates.prior_complement};
    double yes = 0, no = 0;
    for (int i = 0; i < columns.raters; ++i) {
        const double vote = read_vote(columns, i, voxel);
        yes += vote;
        no += 1 - vote;
        products.one *= likelihood(vote, rates.one[i]);
        products.zero *= likelihood(vote, rates.zero[i]);
        if ((i + 1) % factors_between_scalings == 0) products.take_exponents();
    }
    if (step != Step::mean_vote) return products.shares(log_evidence);
    log_evidence = 0;
    return {yes / columns.raters, no / columns.raters, 1};
}

// For any number of raters, whose votes are read twice.
__global__ void expect_voxels_of_many(Columns columns, ManyRates rates, Step step, Consensus to, double* part,
                                      double* extreme) {
    double sum[fixed_sums + 2 * most_raters] = {};
    Extremes extremes;
    for (std::int64_t voxel = first_voxel(); voxel < columns.voxels; voxel += voxels_apart()) {
        if (skips(columns, voxel, to)) continue;
        double log_evidence;
        const Shares<double> shares = shares_of_many(columns, voxel, rates, step, log_evidence);
        sum[0] += shares.foreground;
        sum[1] += shares.background;
        sum[2] += log_evidence;
        for (int i = 0; i < columns.raters; ++i) {
            const double vote = read_vote(columns, i, voxel);
            sum[fixed_sums + 2 * i] += shares.foreground * seen_away(vote, rates.one[i], step);
            sum[fixed_sums + 2 * i + 1] += shares.background * seen_away(vote, rates.zero[i], step);
        }
        if (!to.data) continue;
        put(to, voxel, shares.foreground);
        extremes.add(shares.foreground);
    }
    leave_sums(sum, fixed_sums + 2 * columns.raters, part);
    leave_extremes(extremes, extreme);
}

} // namespace

template <class T>
void expect(const Columns& columns, const Rates<T>& rates, Step step, const Consensus& to, double* sums,
            Scratch& scratch) {
    const int blocks = blocks_for(scratch.place(), columns.voxels / (quad * block_threads) + 1, most_at_once);
    const Parts parts(product_sums(columns.raters), blocks, scratch);
    const auto kernel = columns.raters <= 4   ? expect_voxels<T, 4>
                        : columns.raters <= 8 ? expect_voxels<T, 8>
                                              : expect_voxels<T, 16>;
    launch(kernel, blocks, scratch.place(), "an E-step", columns, rates, step, to, parts.sums(),
           parts.extremes());
    parts.add_up(sums);
}

void expect_of_many(const Columns& columns, const ManyRates& rates, Step step, const Consensus& to,
                    double* sums, Scratch& scratch) {
    const int blocks = blocks_for(scratch.place(), columns.voxels / block_threads + 1);
    const Parts parts(product_sums(columns.raters), blocks, scratch);
    launch(expect_voxels_of_many, blocks, scratch.place(), "an E-step", columns, rates, step, to,
           parts.sums(), parts.extremes());
    parts.add_up(sums);
}

template void expect(const Columns&, const Rates<float>&, Step, const Consensus&, double*, Scratch&);
template void expect(const Columns&, const Rates<double>&, Step, const Consensus&, double*, Scratch&);

} // namespace fastfuse::cuda
