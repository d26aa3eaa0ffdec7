// The E-step of simplified-soft-STAPLE on voxels in place: one pass an iteration.
//
//   a_i1 = q_i θ_i1 + (1 − q_i)(1 − θ_i1)     a_i0 = q_i (1 − θ_i0) + (1 − q_i) θ_i0           eq. (10)
//   x = π Π_i a_i1                            y = (1 − π) Π_i a_i0
//   w = x / (x + y)                           p(truth 1 | votes)                               eqs. (12),
//   (13)
//
// The EM M-step sees the vote q_i θ_i1 / a_i1. Then w q_i θ_i1 / a_i1 = θ_i1 q_i (x / a_i1) / (x + y), and
// x / a_i1 is the product over the other raters, those before i times those after: no division.
#pragma once

#include <algorithm>
#include <cmath>

#include "fastfuse/posterior.hpp"
#include "kernels/lanes.hpp"
#include "kernels/tile.hpp"

namespace fastfuse::kernels {

// How the posterior of a voxel comes about, and what the M-step sees of a vote.
enum class Step {
    mean_vote, // w = Σ_i q_i / m
    votes,     // eqs. (12), (13); the M-step sees the votes
    marks,     // eqs. (12), (13); the M-step sees the raters' own marks behind the votes
};

constexpr int most_product_raters = 64;

template <class T> struct Rates {
    T sensitivity[most_product_raters], miss_rate[most_product_raters];        // θ_i1, 1 − θ_i1
    T false_alarm_rate[most_product_raters], specificity[most_product_raters]; // 1 − θ_i0, θ_i0
    T prior, prior_complement;                                                 // π, 1 − π
};

struct ProductSums {
    double foreground, background, log_likelihood;
    double hit[most_product_raters], miss[most_product_raters];
    double false_alarm[most_product_raters], rejection[most_product_raters];
};

// Some vectors of voxels at a time, so that a rater's sums over them stay in registers.
template <class T, int bytes> struct Chunk {
    using L = Lanes<T, bytes>;
    static constexpr int vectors = bytes == widest_lanes ? 8 : 4;
    static constexpr int lanes = lanes_in<T, bytes>;
    static constexpr int voxels = vectors * lanes;
    static_assert(tile_voxels<T> % voxels == 0, "a tile is chunks");
    L one[vectors], zero[vectors];
};

// A sum of logarithms, as a product of mantissas in [1, 2) and a sum of exponents.
template <class T, int bytes> struct LogSum {
    using L = Lanes<T, bytes>;
    using Bits = BitsOf<T>;
    using I = Lanes<typename Bits::type, bytes>;
    L mantissa = broadcast<L>(T(1));
    I exponent = I{};

    FASTFUSE_INLINE void add(L factor) {
        mantissa *= factor;
        I bits;
        std::memcpy(&bits, &mantissa, sizeof bits);
        exponent += (bits >> Bits::mantissa) - Bits::bias;
        bits = (bits & Bits::sign_and_mantissa) | Bits::one;
        std::memcpy(&mantissa, &bits, sizeof bits);
    }

    FASTFUSE_INLINE double total() const {
        constexpr int lanes = lanes_in<T, bytes>;
        T factor[lanes];
        typename Bits::type exponents[lanes];
        std::memcpy(factor, &mantissa, sizeof mantissa);
        std::memcpy(exponents, &exponent, sizeof exponent);
        double product = 1, twos = 0;
        for (int k = 0; k < lanes; ++k) {
            product *= static_cast<double>(factor[k]);
            twos += static_cast<double>(exponents[k]);
        }
        return std::log(product) + twos * log_2;
    }
};

// x and y of a chunk of voxels; where `before` is given, the products over the raters before each one.
template <class T, int bytes>
FASTFUSE_INLINE void multiply_likelihoods(const Columns<T>& votes, const Rates<T>& rates, std::int64_t first,
                                          Chunk<T, bytes>& chunk, Chunk<T, bytes>* before) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    for (int j = 0; j < C::vectors; ++j) {
        chunk.one[j] = votes.prior ? load<L>(votes.prior + first + j * C::lanes) : broadcast<L>(rates.prior);
        chunk.zero[j] = votes.prior ? T(1) - chunk.one[j] : broadcast<L>(rates.prior_complement);
    }
    for (int i = 0; i < votes.raters; ++i) {
        if (before) before[i] = chunk;
        const T* vote = votes.vote[i] + first;
        for (int j = 0; j < C::vectors; ++j) {
            const L yes = load<L>(vote + j * C::lanes), no = T(1) - yes;
            chunk.one[j] *= yes * rates.sensitivity[i] + no * rates.miss_rate[i]; // eq. (10)
            chunk.zero[j] *= yes * rates.false_alarm_rate[i] + no * rates.specificity[i];
        }
    }
}

template <class T, int bytes>
FASTFUSE_INLINE void average_votes(const Columns<T>& votes, std::int64_t first, Chunk<T, bytes>& chunk) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    chunk = C{};
    for (int i = 0; i < votes.raters; ++i)
        for (int j = 0; j < C::vectors; ++j) {
            const L yes = load<L>(votes.vote[i] + first + j * C::lanes);
            chunk.one[j] += yes;
            chunk.zero[j] += T(1) - yes;
        }
    for (int j = 0; j < C::vectors; ++j) {
        chunk.one[j] /= T(votes.raters);
        chunk.zero[j] /= T(votes.raters);
    }
}

// The four sums of one rater over all lanes.
template <class T, int bytes> struct RaterSums {
    Lanes<T, bytes> hit, miss, false_alarm, rejection;
};

// Σ w q_i and its companions, over a chunk.
template <class T, int bytes>
FASTFUSE_INLINE void gather_votes(const Columns<T>& votes, std::int64_t first, const Chunk<T, bytes>& chunk,
                                  RaterSums<T, bytes>* sums) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    for (int i = 0; i < votes.raters; ++i) {
        RaterSums<T, bytes> mine = sums[i];
        for (int j = 0; j < C::vectors; ++j) {
            const L yes = load<L>(votes.vote[i] + first + j * C::lanes), no = T(1) - yes;
            mine.hit += chunk.one[j] * yes;
            mine.miss += chunk.one[j] * no;
            mine.false_alarm += chunk.zero[j] * yes;
            mine.rejection += chunk.zero[j] * no;
        }
        sums[i] = mine;
    }
}

// Σ q_i (x / a_i1) / (x + y) and its companions, which want their rates as factors yet. `after` begins as
// 1 / (x + y).
template <class T, int bytes>
FASTFUSE_INLINE void gather_marks(const Columns<T>& votes, const Rates<T>& rates, std::int64_t first,
                                  const Chunk<T, bytes>* before, Chunk<T, bytes>& after,
                                  RaterSums<T, bytes>* sums) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    for (int i = votes.raters; i-- > 0;) {
        RaterSums<T, bytes> mine = sums[i];
        for (int j = 0; j < C::vectors; ++j) {
            const L yes = load<L>(votes.vote[i] + first + j * C::lanes), no = T(1) - yes;
            const L one = before[i].one[j] * after.one[j], zero = before[i].zero[j] * after.zero[j];
            mine.hit += one * yes;
            mine.miss += one * no;
            mine.false_alarm += zero * yes;
            mine.rejection += zero * no;
            after.one[j] *= yes * rates.sensitivity[i] + no * rates.miss_rate[i];
            after.zero[j] *= yes * rates.false_alarm_rate[i] + no * rates.specificity[i];
        }
        sums[i] = mine;
    }
}

template <class T, int bytes, Step step>
FASTFUSE_INLINE void expect_tile(const Columns<T>& votes, const Rates<T>& rates, ProductSums& to) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    RaterSums<T, bytes> sums[most_product_raters];
    for (int i = 0; i < votes.raters; ++i)
        sums[i] = RaterSums<T, bytes>{L{}, L{}, L{}, L{}};
    L foreground{}, background{};
    LogSum<T, bytes> log_likelihood;
    C before[step == Step::marks ? most_product_raters : 1];
    for (std::int64_t first = 0; first < tile_voxels<T>; first += C::voxels) {
        C chunk, after;
        if constexpr (step == Step::mean_vote)
            average_votes(votes, first, chunk);
        else
            multiply_likelihoods(votes, rates, first, chunk, step == Step::marks ? before : nullptr);
        for (int j = 0; j < C::vectors; ++j) {
            const L weight = load<L>(votes.weight + first + j * C::lanes);
            L scale = weight;
            if constexpr (step != Step::mean_vote) {
                const L evidence = chunk.one[j] + chunk.zero[j];
                log_likelihood.add(weight * evidence + (T(1) - weight));
                scale = weight / evidence;
            }
            after.one[j] = after.zero[j] = scale;
            chunk.one[j] *= scale; // eqs. (12), (13)
            chunk.zero[j] *= scale;
            foreground += chunk.one[j];
            background += chunk.zero[j];
        }
        if constexpr (step == Step::marks)
            gather_marks(votes, rates, first, before, after, sums);
        else
            gather_votes(votes, first, chunk, sums);
    }
    to.foreground = sum<T, bytes>(foreground);
    to.background = sum<T, bytes>(background);
    to.log_likelihood = log_likelihood.total();
    for (int i = 0; i < votes.raters; ++i) {
        constexpr bool marks = step == Step::marks;
        to.hit[i] = sum<T, bytes>(sums[i].hit) * (marks ? double(rates.sensitivity[i]) : 1);
        to.miss[i] = sum<T, bytes>(sums[i].miss) * (marks ? double(rates.miss_rate[i]) : 1);
        to.false_alarm[i] =
            sum<T, bytes>(sums[i].false_alarm) * (marks ? double(rates.false_alarm_rate[i]) : 1);
        to.rejection[i] = sum<T, bytes>(sums[i].rejection) * (marks ? double(rates.specificity[i]) : 1);
    }
}

template <class T, int bytes>
FASTFUSE_INLINE void expect(const Columns<T>& votes, const Rates<T>& rates, Step step, ProductSums& to) {
    switch (step) {
    case Step::mean_vote: return expect_tile<T, bytes, Step::mean_vote>(votes, rates, to);
    case Step::votes: return expect_tile<T, bytes, Step::votes>(votes, rates, to);
    case Step::marks: return expect_tile<T, bytes, Step::marks>(votes, rates, to);
    }
}

// w of every voxel of the tile, 0 where it has no weight.
template <class T, int bytes>
FASTFUSE_INLINE void posterior(const Columns<T>& votes, const Rates<T>& rates, Step step, T* consensus) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    for (std::int64_t first = 0; first < tile_voxels<T>; first += C::voxels) {
        C chunk;
        if (step == Step::mean_vote)
            average_votes(votes, first, chunk);
        else
            multiply_likelihoods<T, bytes>(votes, rates, first, chunk, nullptr);
        for (int j = 0; j < C::vectors; ++j) {
            const L weight = load<L>(votes.weight + first + j * C::lanes);
            store(consensus + first + j * C::lanes, weight * (chunk.one[j] / (chunk.one[j] + chunk.zero[j])));
        }
    }
}

// The least and the greatest value of the voxels that have a weight; all lie in [0, 1], 0 where there is
// none.
template <class T, int bytes>
FASTFUSE_INLINE void extremes(const T* values, const T* weight, T& least, T& most) {
    using L = Lanes<T, bytes>;
    constexpr int lanes = lanes_in<T, bytes>;
    L low = broadcast<L>(T(1)), high{};
    for (std::int64_t k = 0; k < tile_voxels<T>; k += lanes) {
        const L value = load<L>(values + k);
        const L counted = value + (T(1) - load<L>(weight + k));
        low = counted < low ? counted : low;
        high = value > high ? value : high;
    }
    T lows[lanes], highs[lanes];
    std::memcpy(lows, &low, sizeof low);
    std::memcpy(highs, &high, sizeof high);
    least = *std::min_element(lows, lows + lanes);
    most = *std::max_element(highs, highs + lanes);
}

} // namespace fastfuse::kernels
