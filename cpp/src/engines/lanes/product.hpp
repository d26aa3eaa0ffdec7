// The E-step of simplified-soft-STAPLE on voxels in place: one pass an iteration.
//
//   a_i1 = q_i θ_i1 + (1 − q_i)(1 − θ_i1)     a_i0 = q_i (1 − θ_i0) + (1 − q_i) θ_i0           eq. (10)
//   x = π Π_i a_i1                            y = (1 − π) Π_i a_i0
//   w = x / (x + y)                           p(truth 1 | votes)                         eqs. (12), (13)
//
// The EM M-step sees the vote q_i θ_i1 / a_i1. Then w q_i θ_i1 / a_i1 = θ_i1 q_i (x / a_i1) / (x + y). Here
// x / a_i1 is the product over the raters before i times the product over those after i, without a division.
//
// Where votes weigh the log-likelihoods, log a_i1 = q_i log θ_i1 + (1 − q_i) log(1 − θ_i1); x and y are then
// taken out of the logarithms, divided by the larger product of the raters' a. In doubles: floats hold no
// such sum.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "engines/lanes/rates.hpp"
#include "engines/lanes/tile.hpp"
#include "posterior/product.hpp"
#include "support/lanes.hpp"
#include "support/lanes_exp.hpp"

namespace fastfuse::kernels {

constexpr int most_product_raters = 64;

template <class T> using Rates = RatesOf<T, most_product_raters>;

struct ProductSums {
    double foreground, background, log_likelihood;
    double true_positive[most_product_raters], false_negative[most_product_raters];
    double false_positive[most_product_raters], true_negative[most_product_raters];
};

// Several vectors of voxels, so few that a rater's sums over them stay in registers.
template <class T, int bytes> struct Chunk {
    using L = Lanes<T, bytes>;
    static constexpr int vectors = bytes == widest_lanes ? 8 : 4;
    static constexpr int lanes = lanes_in<T, bytes>;
    static constexpr int voxels = vectors * lanes;
    static_assert(row_voxels<T> % voxels == 0, "a row is chunks");
    L one[vectors], zero[vectors];
};

// A sum of logarithms, kept as a product of mantissas in [1, 2) and a sum of exponents.
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

template <bool towards_yes, class L, class T> FASTFUSE_INLINE L vote_towards(L q) {
    return towards_yes ? q : T(1) - q;
}

template <bool towards_yes, class L, class T> FASTFUSE_INLINE L likelihood(L q, const Rate<T>& rate) {
    return rate.base + rate.slope * vote_towards<towards_yes, L, T>(q); // eq. (10)
}

template <class T, int bytes, bool one_yes, bool zero_yes>
FASTFUSE_INLINE void multiply_rater(const T* vote, const std::byte* next, const Rate<T>& one,
                                    const Rate<T>& zero, Chunk<T, bytes>& chunk) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    for (int j = 0; j < C::vectors; ++j) {
        fetch(next + j * bytes);
        const L q = load<L>(vote + j * C::lanes);
        chunk.one[j] *= likelihood<one_yes>(q, one);
        chunk.zero[j] *= likelihood<zero_yes>(q, zero);
    }
}

// Adds the logarithms of a rater's likelihoods.
template <class T, int bytes>
FASTFUSE_INLINE void add_logs(const T* vote, const std::byte* next, const Rate<T>& one, const Rate<T>& zero,
                              Chunk<T, bytes>& chunk) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    const auto log_of = [](const L& q, const Rate<T>& rate) {
        return rate.base + rate.slope * (rate.towards_yes ? q : T(1) - q);
    };
    for (int j = 0; j < C::vectors; ++j) {
        fetch(next + j * bytes);
        const L q = load<L>(vote + j * C::lanes);
        chunk.one[j] += log_of(q, one);
        chunk.zero[j] += log_of(q, zero);
    }
}

// x and y of a chunk of voxels from the logarithms, divided by the larger product; adds its logarithm where
// the weight is 1.
template <int bytes>
FASTFUSE_INLINE void weigh_logs(const Columns<double>& votes, const Rates<double>& rates, std::int64_t first,
                                Chunk<double, bytes>& chunk, Lanes<double, bytes>& log_scale) {
    using L = Lanes<double, bytes>;
    using C = Chunk<double, bytes>;
    constexpr double least = -700; // e^-700 is a normal number
    chunk = C{};
    for (int i = 0; i < votes.raters; ++i)
        add_logs<double, bytes>(votes.vote[i] + first, votes.next[i] + first * 8, rates.one[i], rates.zero[i],
                                chunk);
    for (int j = 0; j < C::vectors; ++j) {
        const std::int64_t k = first + j * C::lanes;
        const L larger = chunk.one[j] > chunk.zero[j] ? chunk.one[j] : chunk.zero[j];
        const L below_one = chunk.one[j] - larger, below_zero = chunk.zero[j] - larger;
        const L prior = votes.prior ? load<L>(votes.prior + k) : broadcast<L>(rates.prior);
        const L rest = votes.prior ? 1.0 - prior : broadcast<L>(rates.prior_complement);
        const L floor = broadcast<L>(least);
        chunk.one[j] = prior * exp_of_negative<bytes>(below_one < least ? floor : below_one);
        chunk.zero[j] = rest * exp_of_negative<bytes>(below_zero < least ? floor : below_zero);
        log_scale += load<L>(votes.weight + k) * larger;
    }
}

// x and y of a chunk of voxels. With `before`, also the products over the raters before each rater.
template <class T, int bytes>
FASTFUSE_INLINE void multiply_likelihoods(const Columns<T>& votes, const Rates<T>& rates, std::int64_t first,
                                          Chunk<T, bytes>& chunk, Chunk<T, bytes>* before) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    if (votes.prior) {
        for (int j = 0; j < C::vectors; ++j) {
            chunk.one[j] = load<L>(votes.prior + first + j * C::lanes);
            chunk.zero[j] = votes.prior_complement ? load<L>(votes.prior_complement + first + j * C::lanes)
                                                   : T(1) - chunk.one[j];
        }
    } else {
        for (int j = 0; j < C::vectors; ++j) {
            chunk.one[j] = broadcast<L>(rates.prior);
            chunk.zero[j] = broadcast<L>(rates.prior_complement);
        }
    }
    for (int i = 0; i < votes.raters; ++i) {
        if (before) before[i] = chunk;
        const T* vote = votes.vote[i] + first;
        const std::byte* next = votes.next[i] + first * static_cast<std::int64_t>(sizeof(T));
        const Rate<T>&one = rates.one[i], &zero = rates.zero[i];
        if (one.towards_yes && zero.towards_yes)
            multiply_rater<T, bytes, true, true>(vote, next, one, zero, chunk);
        else if (one.towards_yes)
            multiply_rater<T, bytes, true, false>(vote, next, one, zero, chunk);
        else if (zero.towards_yes)
            multiply_rater<T, bytes, false, true>(vote, next, one, zero, chunk);
        else
            multiply_rater<T, bytes, false, false>(vote, next, one, zero, chunk);
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

// One rater's sums over the votes for the less likely mark, in lanes. The sums over the likelier mark follow
// from these, Σ w and Σ (1 − w).
template <class T, int bytes> struct RaterSums {
    Lanes<T, bytes> one, zero;
};

// Adds Σ w v and Σ (1 − w) v over a chunk, v a rater's vote for the less likely mark.
//
// With `marks`, adds Σ v p / (x + y), p the product over all other raters: the caller multiplies the sum by
// the rate. `after` holds the product over the raters after this one, divided by x + y, and is updated.
template <class T, int bytes, bool marks, bool one_yes, bool zero_yes>
FASTFUSE_INLINE void gather_rater(const T* vote, const Rate<T>& one, const Rate<T>& zero,
                                  const Chunk<T, bytes>& chunk, Chunk<T, bytes>& after,
                                  RaterSums<T, bytes>& sums) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    RaterSums<T, bytes> mine = sums;
    for (int j = 0; j < C::vectors; ++j) {
        const L q = load<L>(vote + j * C::lanes);
        const L of_one = marks ? chunk.one[j] * after.one[j] : chunk.one[j];
        const L of_zero = marks ? chunk.zero[j] * after.zero[j] : chunk.zero[j];
        mine.one += of_one * vote_towards<!one_yes, L, T>(q);
        mine.zero += of_zero * vote_towards<!zero_yes, L, T>(q);
        if constexpr (marks) {
            after.one[j] *= likelihood<one_yes>(q, one);
            after.zero[j] *= likelihood<zero_yes>(q, zero);
        }
    }
    sums = mine;
}

// `chunks`: one for all raters; with `marks`, the products over the raters before each rater.
template <class T, int bytes, bool marks>
FASTFUSE_INLINE void gather(const Columns<T>& votes, const Rates<T>& rates, std::int64_t first,
                            const Chunk<T, bytes>* chunks, Chunk<T, bytes>& after,
                            RaterSums<T, bytes>* sums) {
    for (int i = votes.raters; i-- > 0;) {
        const T* vote = votes.vote[i] + first;
        const Rate<T>&one = rates.one[i], &zero = rates.zero[i];
        const Chunk<T, bytes>& chunk = chunks[marks ? i : 0];
        if (one.towards_yes && zero.towards_yes)
            gather_rater<T, bytes, marks, true, true>(vote, one, zero, chunk, after, sums[i]);
        else if (one.towards_yes)
            gather_rater<T, bytes, marks, true, false>(vote, one, zero, chunk, after, sums[i]);
        else if (zero.towards_yes)
            gather_rater<T, bytes, marks, false, true>(vote, one, zero, chunk, after, sums[i]);
        else
            gather_rater<T, bytes, marks, false, false>(vote, one, zero, chunk, after, sums[i]);
    }
}

template <class T, int bytes, Step step>
FASTFUSE_INLINE void expect_tile(const Columns<T>& votes, const Rates<T>& rates, ProductSums& to) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    constexpr bool marks = step == Step::marks;
    RaterSums<T, bytes> sums[most_product_raters];
    for (int i = 0; i < votes.raters; ++i)
        sums[i] = RaterSums<T, bytes>{L{}, L{}};
    L foreground{}, background{}, log_scale{};
    LogSum<T, bytes> log_likelihood;
    C before[marks ? most_product_raters : 1];
    for (std::int64_t first = 0; first < tile_voxels<T>; first += C::voxels) {
        C chunk, after;
        if constexpr (step == Step::mean_vote)
            average_votes(votes, first, chunk);
        else if constexpr (step == Step::logs)
            weigh_logs<bytes>(votes, rates, first, chunk, log_scale);
        else
            multiply_likelihoods(votes, rates, first, chunk, marks ? before : nullptr);
        for (int j = 0; j < C::vectors; ++j) {
            const L weight = load<L>(votes.weight + first + j * C::lanes);
            L scale = weight;
            if constexpr (step != Step::mean_vote) {
                const L evidence = weight * (chunk.one[j] + chunk.zero[j]) + (T(1) - weight);
                log_likelihood.add(evidence);
                scale = weight / evidence;
            }
            after.one[j] = after.zero[j] = scale;
            chunk.one[j] *= scale; // eqs. (12), (13)
            chunk.zero[j] *= scale;
            foreground += chunk.one[j];
            background += chunk.zero[j];
        }
        gather<T, bytes, marks>(votes, rates, first, marks ? before : &chunk, after, sums);
    }
    to.foreground = sum<T, bytes>(foreground);
    to.background = sum<T, bytes>(background);
    to.log_likelihood = log_likelihood.total() + sum<T, bytes>(log_scale);
    for (int i = 0; i < votes.raters; ++i) {
        const Rate<T>&one = rates.one[i], &zero = rates.zero[i];
        complete(sum<T, bytes>(sums[i].one) * (marks ? double(one.base) : 1), to.foreground, one.towards_yes,
                 to.true_positive[i], to.false_negative[i]);
        complete(sum<T, bytes>(sums[i].zero) * (marks ? double(zero.base) : 1), to.background,
                 zero.towards_yes, to.false_positive[i], to.true_negative[i]);
    }
}

template <class T, int bytes>
FASTFUSE_INLINE void expect(const Columns<T>& votes, const Rates<T>& rates, Step step, ProductSums& to) {
    switch (step) {
    case Step::mean_vote: return expect_tile<T, bytes, Step::mean_vote>(votes, rates, to);
    case Step::votes: return expect_tile<T, bytes, Step::votes>(votes, rates, to);
    case Step::marks: return expect_tile<T, bytes, Step::marks>(votes, rates, to);
    case Step::logs:
        if constexpr (std::is_same_v<T, double>) expect_tile<T, bytes, Step::logs>(votes, rates, to);
    }
}

// x and y of a chunk of voxels, or those divided by the larger product.
template <class T, int bytes>
FASTFUSE_INLINE void weigh(const Columns<T>& votes, const Rates<T>& rates, Step step, std::int64_t first,
                           Chunk<T, bytes>& chunk) {
    if constexpr (std::is_same_v<T, double>)
        if (step == Step::logs) {
            Lanes<T, bytes> log_scale{};
            return weigh_logs<bytes>(votes, rates, first, chunk, log_scale);
        }
    multiply_likelihoods<T, bytes>(votes, rates, first, chunk, nullptr);
}

// w of every voxel of the tile, 0 where its weight is 0.
template <class T, int bytes>
FASTFUSE_INLINE void posterior(const Columns<T>& votes, const Rates<T>& rates, Step step, T* consensus) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    for (std::int64_t first = 0; first < tile_voxels<T>; first += C::voxels) {
        C chunk;
        if (step == Step::mean_vote)
            average_votes(votes, first, chunk);
        else
            weigh<T, bytes>(votes, rates, step, first, chunk);
        for (int j = 0; j < C::vectors; ++j) {
            const L weight = load<L>(votes.weight + first + j * C::lanes);
            const L evidence = weight * (chunk.one[j] + chunk.zero[j]) + (T(1) - weight);
            store(consensus + first + j * C::lanes, weight * chunk.one[j] / evidence);
        }
    }
}

} // namespace fastfuse::kernels
