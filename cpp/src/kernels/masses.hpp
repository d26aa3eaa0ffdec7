// soft-STAPLE on votes that do not repeat: masses and mixing as products of matrices.
//
//   q_t(B) = Π_i q_it(b_i)     weight of binary pattern B at voxel t                          eq. (8)
//   u, v                       the same products over the first half of the raters, and over the others:
//                              q_t(B) = u_t(low bits of B) v_t(high bits of B)
//   N(B) = Σ_t q_t(B)          masses: N = U Vᵀ
//   w_t = Σ_B q_t(B) p(1|B)    consensus: uᵀ P v                                              eq. (9)
//
// U and V hold a pattern a row, a voxel a lane.
#pragma once

#include <algorithm>

#include "kernels/lanes.hpp"
#include "kernels/tile.hpp"

namespace fastfuse::kernels {

// Rows of products over the patterns of some raters, each product times its voxel's `root`.
template <class T, int bytes, int low>
FASTFUSE_INLINE void spread_low(const T* const* vote, int raters, const T* root, T* rows) {
    using L = Lanes<T, bytes>;
    const int high = raters - low;
    for (std::int64_t k = 0; k < tile_voxels<T>; k += lanes_in<T, bytes>) {
        L yes[low > 0 ? low : 1], no[low > 0 ? low : 1];
        for (int i = 0; i < low; ++i) {
            yes[i] = load<L>(vote[i] + k);
            no[i] = T(1) - yes[i];
        }
        for (int pattern = 0; pattern < 1 << high; ++pattern) {
            L product[1 << low];
            product[0] = load<L>(root + k);
            for (int j = 0; j < high; ++j) {
                const L q = load<L>(vote[low + j] + k);
                product[0] *= pattern >> j & 1 ? q : T(1) - q;
            }
#pragma GCC unroll 4
            for (int i = 0; i < low; ++i)
#pragma GCC unroll 8
                for (int b = 0; b < 1 << i; ++b) {
                    product[(1 << i) + b] = product[b] * yes[i];
                    product[b] *= no[i];
                }
#pragma GCC unroll 16
            for (int b = 0; b < 1 << low; ++b)
                store(rows + ((pattern << low) + b) * row_stride<T> + k, product[b]);
        }
    }
}

template <class T, int bytes>
FASTFUSE_INLINE void spread(const T* const* vote, int raters, const T* root, T* rows) {
    switch (raters) {
    case 0: return spread_low<T, bytes, 0>(vote, raters, root, rows);
    case 1: return spread_low<T, bytes, 1>(vote, raters, root, rows);
    case 2: return spread_low<T, bytes, 2>(vote, raters, root, rows);
    case 3: return spread_low<T, bytes, 3>(vote, raters, root, rows);
    default: return spread_low<T, bytes, 4>(vote, raters, root, rows);
    }
}

// Adds the products of R rows of U with C rows of V.
template <class T, int bytes, int R, int C>
FASTFUSE_INLINE void multiply_rows(const T* u, const T* v, double* table, std::int64_t next_column) {
    using L = Lanes<T, bytes>;
    L sums[R][C] = {};
    for (std::int64_t k = 0; k < tile_voxels<T>; k += lanes_in<T, bytes>) {
        L column[C];
        for (int c = 0; c < C; ++c)
            column[c] = load<L>(v + c * row_stride<T> + k);
        for (int r = 0; r < R; ++r) {
            const L row = load<L>(u + r * row_stride<T> + k);
            for (int c = 0; c < C; ++c)
                sums[r][c] += row * column[c];
        }
    }
    for (int c = 0; c < C; ++c)
        for (int r = 0; r < R; ++r)
            table[c * next_column + r] += sum<T, bytes>(sums[r][c]);
}

template <class T, int bytes, int C>
FASTFUSE_INLINE void multiply_columns(const T* u, int rows, const T* v, double* table,
                                      std::int64_t next_column) {
    if (rows == 1) return multiply_rows<T, bytes, 1, C>(u, v, table, next_column);
    if (rows == 2) return multiply_rows<T, bytes, 2, C>(u, v, table, next_column);
    for (int r = 0; r < rows; r += 4)
        multiply_rows<T, bytes, 4, C>(u + r * row_stride<T>, v, table + r, next_column);
}

// Copies the rows of patterns in which one rater votes 0, each times his vote.
template <class T, int bytes>
FASTFUSE_INLINE void scale_rows(const T* rows, int raters, int rater, const T* vote, T* to) {
    using L = Lanes<T, bytes>;
    for (int r = 0; r < 1 << (raters - 1); ++r) {
        const int from = (r >> rater << (rater + 1)) | (r & ((1 << rater) - 1));
        for (std::int64_t k = 0; k < tile_voxels<T>; k += lanes_in<T, bytes>)
            store(to + r * row_stride<T> + k, load<L>(rows + from * row_stride<T> + k) * load<L>(vote + k));
    }
}

// table[r + c * next_column] += Σ_t u(r) v(c), of `rows` rows of U and `columns` rows of V, powers of two.
template <class T, int bytes>
FASTFUSE_INLINE void add_products(const T* u, int rows, const T* v, int columns, double* table,
                                  std::int64_t next_column) {
    constexpr int most = bytes == widest_lanes ? 4 : 2; // what the registers hold
    if (columns == 1) return multiply_columns<T, bytes, 1>(u, rows, v, table, next_column);
    if (columns == 2) return multiply_columns<T, bytes, 2>(u, rows, v, table, next_column);
    for (int c = 0; c < columns; c += most)
        multiply_columns<T, bytes, most>(u, rows, v + c * row_stride<T>, table + c * next_column,
                                         next_column);
}

// consensus += Σ_r u(r) Σ_c P(r, c) v(c), over R rows.
template <class T, int bytes, int R>
FASTFUSE_INLINE void mix_rows(const T* u, const T* v, int columns, const T* posterior,
                              std::int64_t next_column, T* consensus) {
    using L = Lanes<T, bytes>;
    constexpr int J = bytes == widest_lanes ? 4 : 2; // vectors at a time
    constexpr int lanes = lanes_in<T, bytes>;
    for (std::int64_t k = 0; k < tile_voxels<T>; k += J * lanes) {
        L inner[R][J] = {};
        for (int c = 0; c < columns; ++c) {
            L column[J];
            for (int j = 0; j < J; ++j)
                column[j] = load<L>(v + c * row_stride<T> + k + j * lanes);
            for (int r = 0; r < R; ++r)
                for (int j = 0; j < J; ++j)
                    inner[r][j] += posterior[c * next_column + r] * column[j];
        }
        for (int j = 0; j < J; ++j) {
            L total = load<L>(consensus + k + j * lanes);
            for (int r = 0; r < R; ++r)
                total += load<L>(u + r * row_stride<T> + k + j * lanes) * inner[r][j];
            store(consensus + k + j * lanes, total);
        }
    }
}

// Adds uᵀ P v of every voxel. P has its rows one after another, its columns `rows` apart.
template <class T, int bytes>
FASTFUSE_INLINE void mix(const T* u, int rows, const T* v, int columns, const T* posterior, T* consensus) {
    if (rows == 1) return mix_rows<T, bytes, 1>(u, v, columns, posterior, rows, consensus);
    if (rows == 2) return mix_rows<T, bytes, 2>(u, v, columns, posterior, rows, consensus);
    for (int r = 0; r < rows; r += 4)
        mix_rows<T, bytes, 4>(u + r * row_stride<T>, v, columns, posterior + r, rows, consensus);
}

} // namespace fastfuse::kernels
