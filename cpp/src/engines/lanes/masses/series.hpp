// soft-STAPLE's expectation at voxels whose log-odds lie in one narrow bin, by power series.
//
//   l = c + δ                  log-odds of a voxel's prior; c: the middle of the bin
//   S_B                        log-odds of the marks of binary pattern B
//   σ(c + S_B + δ) = Σ_j p_j(B) δ^j,      log(1 + e^l') = its integral, l' = l + S_B
//   q_t(B) = u_t(A) v_t(C)     weight of pattern B; A: the marks of the first half of the raters, C: the rest
//
//   w_t = Σ_B q_t(B) σ(l_t + S_B)                                      eqs. (8), (9)
//       = Σ_j δ^j Σ_A u_t(A) Σ_C v_t(C) p_j(A, C)
//
// All voxels of a bin share the coefficients: a term takes a multiplication and addition for each j, and
// neither an exponential, nor a division, nor a logarithm.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "engines/lanes/tile.hpp"
#include "support/lanes.hpp"

namespace fastfuse::kernels {

constexpr int most_series_raters = 10;
constexpr int most_half_patterns = 1 << most_series_raters / 2; // of a half of the raters

// In bins of 1/32, the error is 2^-22 of σ for floats, and 2^-46 for doubles.
constexpr double bins_a_unit = 32;
template <class T> constexpr int series_degree = std::is_same_v<T, float> ? 2 : 5;
template <class T> constexpr int series_powers = series_degree<T> + 1;

// Coefficients of a bin. `rise`: log(1 + e^(c + S_B)) − log(1 + e^c).
template <class T> struct SeriesTable {
    const T* by_first;  // for each A, for each C: p_0 … p_degree, rise
    const T* by_second; // for each C, for each A: p_0 … p_degree; null where no sums of marks are asked for
    T p[series_powers<T>]; // the same without votes
};

// Voxels of a bin. The columns are longer, by a vector of the widest lanes: what lies there is read and not
// used, and written in w.
template <class T> struct SeriesRun {
    int raters = 0;
    const T* const* vote = nullptr; // of each rater
    const T* delta = nullptr;       // δ
    std::int64_t voxels = 0;
    T* w = nullptr;
};

struct SeriesSums {
    double w = 0;                           // Σ w
    double log_evidence = 0;                // Σ_t Σ_B q_t(B) log(1 + e^(l + S_B)) − log(1 + e^l)
    double first[most_half_patterns] = {};  // Σ_t Σ_C q_t(A, C) w_t(A, C), by A
    double second[most_half_patterns] = {}; // Σ_t Σ_A q_t(A, C) w_t(A, C), by C
    // Σ w q_i and Σ w (1 − q_i); not where the sums by A and by C are found.
    double with_vote[most_series_raters] = {}, without_vote[most_series_raters] = {};
};

// Σ_j p_j δ^j
template <class T, class L> FASTFUSE_INLINE L series_at(const L* p, L delta) {
    L sum = p[series_degree<T>];
#pragma GCC unroll 8
    for (int j = series_degree<T> - 1; j >= 0; --j)
        sum = sum * delta + p[j];
    return sum;
}

// Its integral from 0 to δ.
template <class T, class L> FASTFUSE_INLINE L integral_at(const L* p, L delta) {
    L sum = p[series_degree<T>] * (T(1) / T(series_powers<T>));
#pragma GCC unroll 8
    for (int j = series_degree<T> - 1; j >= 0; --j)
        sum = sum * delta + p[j] * (T(1) / T(j + 1));
    return sum * delta;
}

template <class T, int bytes> struct SeriesLanes {
    using L = Lanes<T, bytes>;
    L w{}, log_evidence{};
    L first[most_half_patterns], second[most_half_patterns]; // those that are used are set to 0
    L with_vote[most_series_raters], without_vote[most_series_raters];
};

// Products over some raters, of each pattern of their marks; `count` vectors of voxels.
template <class T, class L, int count>
FASTFUSE_INLINE void spread_raters(const T* const* vote, int raters, std::int64_t at, L (*product)[count]) {
    constexpr int lanes = static_cast<int>(sizeof(L) / sizeof(T));
    for (int i = 0; i < raters; ++i) {
        L yes[count];
        for (int j = 0; j < count; ++j)
            yes[j] = load<L>(vote[i] + at + j * lanes);
        for (int b = 0; b < 1 << i; ++b)
#pragma GCC unroll 2
            for (int j = 0; j < count; ++j) {
                product[(1 << i) + b][j] = product[b][j] * yes[j];
                product[b][j] *= T(1) - yes[j];
            }
    }
}

// Σ_k x_k c_k, of `rows` coefficients c_k that follow each other, over n patterns k. `at_once` such sums,
// whose coefficients lie `step` apart, share what is loaded.
template <class T, class L, int count, int rows, int at_once>
FASTFUSE_INLINE void sum_rows(const L (*x)[count], int n, const T* c, int step,
                              L (&to)[at_once][count][rows]) {
    L sum[at_once][count][rows] = {};
    for (int k = 0; k < n; ++k, c += rows)
#pragma GCC unroll 2
        for (int b = 0; b < at_once; ++b)
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r)
#pragma GCC unroll 2
                for (int j = 0; j < count; ++j)
                    sum[b][j][r] += x[k][j] * c[b * step + r];
    std::memcpy(&to, &sum, sizeof sum);
}

// Adds the sums by C.
template <class T, int bytes, int count>
FASTFUSE_INLINE void add_second(const SeriesTable<T>& table, int raters, const Lanes<T, bytes> (*u)[count],
                                const Lanes<T, bytes> (*v)[count], const Lanes<T, bytes> (&delta)[count],
                                SeriesLanes<T, bytes>& sums) {
    constexpr int powers = series_powers<T>, at_once = 2;
    const int first = raters / 2, second = raters - first, step = powers << first;
    for (int b = 0; b < 1 << second; b += at_once) {
        Lanes<T, bytes> part[at_once][count][powers];
        sum_rows<T>(u, 1 << first, table.by_second + b * step, step, part);
#pragma GCC unroll 2
        for (int k = 0; k < at_once; ++k)
#pragma GCC unroll 2
            for (int j = 0; j < count; ++j)
                sums.second[b + k] += v[b + k][j] * series_at<T>(part[k][j], delta[j]);
    }
}

// Adds `count` vectors of voxels, the last of which may be cut short.
template <class T, int bytes, int count, bool marks>
FASTFUSE_INLINE void add_voxels(const SeriesTable<T>& table, const SeriesRun<T>& run, std::int64_t at,
                                SeriesLanes<T, bytes>& sums) {
    using L = Lanes<T, bytes>;
    constexpr int lanes = lanes_in<T, bytes>, powers = series_powers<T>, row = powers + 1;
    const int first = run.raters / 2, second = run.raters - first;
    L u[most_half_patterns][count], v[most_half_patterns][count], counts[count], delta[count];
#pragma GCC unroll 2
    for (int j = 0; j < count; ++j) {
        T is_of_run[lanes];
        for (int k = 0; k < lanes; ++k)
            is_of_run[k] = at + j * lanes + k < run.voxels ? T(1) : T(0);
        u[0][j] = counts[j] = load<L>(is_of_run);
        v[0][j] = broadcast<L>(T(1));
        delta[j] = load<L>(run.delta + at + j * lanes);
    }
    spread_raters<T, L, count>(run.vote, first, at, u);
    spread_raters<T, L, count>(run.vote + first, second, at, v);
    L total[count][row] = {};
    for (int a = 0; a < 1 << first; ++a) {
        L part[1][count][row];
        sum_rows<T>(v, 1 << second, table.by_first + (a * row << second), 0, part);
#pragma GCC unroll 2
        for (int j = 0; j < count; ++j) {
            if constexpr (marks) sums.first[a] += u[a][j] * series_at<T>(part[0][j], delta[j]);
#pragma GCC unroll 8
            for (int r = 0; r < row; ++r)
                total[j][r] += u[a][j] * part[0][j][r];
        }
    }
    L none[powers];
    for (int r = 0; r < powers; ++r)
        none[r] = broadcast<L>(table.p[r]);
#pragma GCC unroll 2
    for (int j = 0; j < count; ++j) {
        const L w = series_at<T>(total[j], delta[j]);
        store(run.w + at + j * lanes, w);
        sums.w += w;
        sums.log_evidence += total[j][powers] + integral_at<T>(total[j], delta[j]) -
                             counts[j] * integral_at<T>(none, delta[j]);
        for (int i = 0; !marks && i < run.raters; ++i) {
            const L q = load<L>(run.vote[i] + at + j * lanes);
            sums.with_vote[i] += w * q;
            sums.without_vote[i] += w * (T(1) - q);
        }
    }
    if constexpr (marks) add_second<T, bytes, count>(table, run.raters, u, v, delta, sums);
}

template <class T, int bytes, bool marks>
FASTFUSE_INLINE void add_run(const SeriesTable<T>& table, const SeriesRun<T>& run, SeriesSums& to) {
    constexpr int lanes = lanes_in<T, bytes>, at_once = 32; // vectors that are added in lanes of T
    const int first = run.raters / 2, second = run.raters - first;
    for (std::int64_t from = 0; from < run.voxels; from += at_once * lanes) {
        const std::int64_t end = std::min<std::int64_t>(from + at_once * lanes, run.voxels);
        SeriesLanes<T, bytes> sums;
        std::fill_n(sums.first, marks ? 1 << first : 0, Lanes<T, bytes>{});
        std::fill_n(sums.second, marks ? 1 << second : 0, Lanes<T, bytes>{});
        std::fill_n(sums.with_vote, marks ? 0 : run.raters, Lanes<T, bytes>{});
        std::fill_n(sums.without_vote, marks ? 0 : run.raters, Lanes<T, bytes>{});
        std::int64_t at = from;
        for (; at + 2 * lanes <= end; at += 2 * lanes)
            add_voxels<T, bytes, 2, marks>(table, run, at, sums);
        for (; at < end; at += lanes)
            add_voxels<T, bytes, 1, marks>(table, run, at, sums);
        to.w += sum<T, bytes>(sums.w);
        to.log_evidence += sum<T, bytes>(sums.log_evidence);
        for (int a = 0; marks && a < 1 << first; ++a)
            to.first[a] += sum<T, bytes>(sums.first[a]);
        for (int b = 0; marks && b < 1 << second; ++b)
            to.second[b] += sum<T, bytes>(sums.second[b]);
        for (int i = 0; !marks && i < run.raters; ++i) {
            to.with_vote[i] += sum<T, bytes>(sums.with_vote[i]);
            to.without_vote[i] += sum<T, bytes>(sums.without_vote[i]);
        }
    }
}

// Finds w of the voxels, and adds to the sums.
template <class T, int bytes>
FASTFUSE_INLINE void mix_series(const SeriesTable<T>& table, const SeriesRun<T>& run, SeriesSums& to) {
    if (table.by_second)
        add_run<T, bytes, true>(table, run, to);
    else
        add_run<T, bytes, false>(table, run, to);
}

} // namespace fastfuse::kernels
