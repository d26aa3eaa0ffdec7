// Scores of a tile's voxels: the slope of each voxel's log-likelihood in every rate, a row of lanes for each.
//
//   s_i1 = Σ_B q_t(B) p(1|B) (b_i / θ_i1 − (1 − b_i) / (1 − θ_i1))       Fisher's identity
//   s_i0 = Σ_B q_t(B) p(0|B) ((1 − b_i) / θ_i0 − b_i / (1 − θ_i0))
//   q_t(B) = u_t(low bits of B) v_t(high bits of B)                      see masses.hpp
//
// For the raters of u, the sum over v's patterns comes first, Σ_high v p: a small product of matrices. What
// remains are sums over u's patterns with a mark of rater i, and without. For the raters of v likewise.
//
// Order of the rows: θ_11 … θ_m1, θ_10 … θ_m0, π.
#pragma once

#include <cstdint>

#include "em/masses.hpp"
#include "engines/lanes/tile.hpp"
#include "support/lanes.hpp"

namespace fastfuse::kernels {

// What a mark, and no mark, adds to a score.
template <class T> struct Slope {
    T yes, no;
};

// Of truth 0, and of truth 1.
template <class T> struct ScoreTables {
    int raters;
    const T* posterior[2]; // p(truth | B)
    const Slope<T>* slope[2];
    T of_prior[2]; // −1 / (1 − π), 1 / π
};

// One half of the raters, and the other half's patterns.
template <class T> struct ScoreHalf {
    const T* mine;   // a row of products for each pattern of these raters
    const T* others; // and of the other raters
    int first, raters, other_raters;
    std::int64_t step, other_step; // from pattern to pattern in the table p(truth | B)
};

// q_t p of each of this half's patterns, R at a time, summed over the other half's patterns.
template <class T, int bytes, int R>
FASTFUSE_INLINE void weigh_patterns(const ScoreHalf<T>& half, const ScoreTables<T>& tables, std::int64_t k,
                                    Lanes<T, bytes>* zero, Lanes<T, bytes>* one) {
    using L = Lanes<T, bytes>;
    for (int first = 0; first < 1 << half.raters; first += R) {
        L zeros[R] = {}, ones[R] = {};
        const T* of_zero = tables.posterior[0] + first * half.step;
        const T* of_one = tables.posterior[1] + first * half.step;
        for (int c = 0; c < 1 << half.other_raters; ++c) {
            const L weight = load<L>(half.others + c * row_stride<T> + k);
            for (int r = 0; r < R; ++r) {
                zeros[r] += of_zero[c * half.other_step + r * half.step] * weight;
                ones[r] += of_one[c * half.other_step + r * half.step] * weight;
            }
        }
        for (int r = 0; r < R; ++r) {
            const L product = load<L>(half.mine + (first + r) * row_stride<T> + k);
            zero[first + r] = product * zeros[r];
            one[first + r] = product * ones[r];
        }
    }
}

// Stores the scores of the half's raters; `term` of each pattern is folded to their sum. Each step adds the
// patterns with a mark to those without.
template <class T, int bytes>
FASTFUSE_INLINE void fold_scores(int raters, const Slope<T>* slope, Lanes<T, bytes>* term, T* to) {
    using L = Lanes<T, bytes>;
    for (int i = raters; i-- > 0;) {
        const int half = 1 << i;
        L yes{}, no{};
        for (int b = 0; b < half; ++b) {
            yes += term[half + b];
            no += term[b];
            term[b] += term[half + b];
        }
        store(to + i * row_stride<T>, slope[i].yes * yes + slope[i].no * no);
    }
}

template <class T, int bytes>
FASTFUSE_INLINE void score_half(const ScoreHalf<T>& half, const ScoreTables<T>& tables, T* rows) {
    using L = Lanes<T, bytes>;
    L zero[1 << (most_mass_raters / 2)], one[1 << (most_mass_raters / 2)];
    for (std::int64_t k = 0; k < row_voxels<T>; k += lanes_in<T, bytes>) {
        switch (half.raters) {
        case 0: weigh_patterns<T, bytes, 1>(half, tables, k, zero, one); break;
        case 1: weigh_patterns<T, bytes, 2>(half, tables, k, zero, one); break;
        default: weigh_patterns<T, bytes, 4>(half, tables, k, zero, one);
        }
        T* to = rows + half.first * row_stride<T> + k;
        fold_scores<T, bytes>(half.raters, tables.slope[1] + half.first, one, to);
        fold_scores<T, bytes>(half.raters, tables.slope[0] + half.first, zero,
                              to + tables.raters * row_stride<T>);
        store(rows + 2 * tables.raters * row_stride<T> + k,
              tables.of_prior[0] * zero[0] + tables.of_prior[1] * one[0]);
    }
}

// The scores of every voxel of a row, 0 where its products are 0. u and v: rows of products of the first
// `low` raters and of the others.
template <class T, int bytes>
FASTFUSE_INLINE void score(const T* u, const T* v, int low, const ScoreTables<T>& tables, T* rows) {
    const int high = tables.raters - low;
    const std::int64_t step = std::int64_t{1} << low;
    if (high > 0) score_half<T, bytes>({v, u, low, high, low, step, 1}, tables, rows);
    score_half<T, bytes>({u, v, 0, low, high, 1, step}, tables, rows);
}

} // namespace fastfuse::kernels
