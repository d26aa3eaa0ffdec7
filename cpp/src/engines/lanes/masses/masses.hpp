// soft-STAPLE on votes that do not repeat: masses and mixing as products of matrices.
//
//   q_t(B) = Π_i q_it(b_i)     weight of binary pattern B at voxel t                          eq. (8)
//   u, v                       products over the first half of the raters, and over the second half:
//                              q_t(B) = u_t(low bits of B) v_t(high bits of B)
//   N(B) = Σ_t q_t(B)          masses: N = U Vᵀ
//   w_t = Σ_B q_t(B) p(1|B)    consensus                                                      eq. (9)
//
// U and V have one row for each pattern, and one lane for each voxel.
#pragma once

#include <algorithm>

#include "engines/lanes/tile.hpp"
#include "support/lanes.hpp"

namespace fastfuse::kernels {

// Finds the products of all patterns of `raters` raters over the row that begins at voxel `first` of a tile,
// one row a pattern; each is multiplied by its voxel's `root`.
template <class T, int bytes, int low>
FASTFUSE_INLINE void spread_low(const T* const* vote, int raters, std::int64_t first, const T* root,
                                T* rows) {
    using L = Lanes<T, bytes>;
    const int high = raters - low;
    for (std::int64_t k = 0; k < row_voxels<T>; k += lanes_in<T, bytes>) {
        L yes[low > 0 ? low : 1], no[low > 0 ? low : 1];
        for (int i = 0; i < low; ++i) {
            yes[i] = load<L>(vote[i] + first + k);
            no[i] = T(1) - yes[i];
        }
        for (int pattern = 0; pattern < 1 << high; ++pattern) {
            L product[1 << low];
            product[0] = load<L>(root + first + k);
            for (int j = 0; j < high; ++j) {
                const L q = load<L>(vote[low + j] + first + k);
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
FASTFUSE_INLINE void spread(const T* const* vote, int raters, std::int64_t first, const T* root, T* rows) {
    switch (raters) {
    case 0: return spread_low<T, bytes, 0>(vote, raters, first, root, rows);
    case 1: return spread_low<T, bytes, 1>(vote, raters, first, root, rows);
    case 2: return spread_low<T, bytes, 2>(vote, raters, first, root, rows);
    case 3: return spread_low<T, bytes, 3>(vote, raters, first, root, rows);
    default: return spread_low<T, bytes, 4>(vote, raters, first, root, rows);
    }
}

// Where masses are added: to doubles, or to sums in lanes of T, which are added to doubles after a few tiles.
// A sum over lanes takes longer than the products of a tile.
template <class T> struct MassSums {
    double* table;
    T* lanes; // a vector of the widest lanes for each mass; null for none
    MassSums from(std::int64_t mass) const {
        return {table + mass, lanes ? lanes + mass * (widest_lanes / static_cast<int>(sizeof(T))) : nullptr};
    }
};

// Votes that will be read next, one array after the other: asked for while there is much to compute.
struct Ahead {
    const std::byte* const* next = nullptr;
    int raters = 0;
    std::int64_t first = 0; // byte
    const std::byte* pop(const void* other) {
        return raters > 0 ? next[--raters] + first : static_cast<const std::byte*>(other);
    }
};

// Adds the products of R rows of U with C rows of V.
template <class T, int bytes, int R, int C>
FASTFUSE_INLINE void multiply_rows(const T* u, const T* v, MassSums<T> to, std::int64_t next_column,
                                   Ahead& ahead) {
    using L = Lanes<T, bytes>;
    const std::byte* next = ahead.pop(u);
    const auto mass = [&](int r, int c) { return to.from(c * next_column + r); };
    L sums[R][C] = {};
    if (to.lanes)
        for (int c = 0; c < C; ++c)
            for (int r = 0; r < R; ++r)
                sums[r][c] = load<L>(mass(r, c).lanes);
    for (std::int64_t k = 0; k < row_voxels<T>; k += lanes_in<T, bytes>) {
        fetch(next + k * static_cast<std::int64_t>(sizeof(T)));
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
            if (to.lanes)
                store(mass(r, c).lanes, sums[r][c]);
            else
                *mass(r, c).table += sum<T, bytes>(sums[r][c]);
}

// Adds sums in lanes to the table, and empties them.
template <class T, int bytes> FASTFUSE_INLINE void settle(MassSums<T> sums, std::int64_t masses) {
    using L = Lanes<T, bytes>;
    for (std::int64_t b = 0; b < masses; ++b) {
        const MassSums<T> mass = sums.from(b);
        *mass.table += sum<T, bytes>(load<L>(mass.lanes));
        store(mass.lanes, L{});
    }
}

template <class T, int bytes, int C>
FASTFUSE_INLINE void multiply_columns(const T* u, int rows, const T* v, MassSums<T> to,
                                      std::int64_t next_column, Ahead& ahead) {
    if (rows == 1) return multiply_rows<T, bytes, 1, C>(u, v, to, next_column, ahead);
    if (rows == 2) return multiply_rows<T, bytes, 2, C>(u, v, to, next_column, ahead);
    for (int r = 0; r < rows; r += 4)
        multiply_rows<T, bytes, 4, C>(u + r * row_stride<T>, v, to.from(r), next_column, ahead);
}

// Copies the rows of patterns in which rater `rater` votes 0, multiplied by that rater's vote.
template <class T, int bytes>
FASTFUSE_INLINE void scale_rows(const T* rows, int raters, int rater, const T* vote, T* to) {
    using L = Lanes<T, bytes>;
    for (int r = 0; r < 1 << (raters - 1); ++r) {
        const int from = with_rater(r, rater);
        for (std::int64_t k = 0; k < row_voxels<T>; k += lanes_in<T, bytes>)
            store(to + r * row_stride<T> + k, load<L>(rows + from * row_stride<T> + k) * load<L>(vote + k));
    }
}

// Adds Σ_t u(r) v(c) to mass r + c * next_column, of `rows` rows of U and `columns` rows of V, powers of two.
template <class T, int bytes>
FASTFUSE_INLINE void add_products(const T* u, int rows, const T* v, int columns, MassSums<T> to,
                                  std::int64_t next_column, Ahead ahead) {
    constexpr int most = bytes == widest_lanes ? 4 : 2; // columns that the registers hold
    if (columns == 1) return multiply_columns<T, bytes, 1>(u, rows, v, to, next_column, ahead);
    if (columns == 2) return multiply_columns<T, bytes, 2>(u, rows, v, to, next_column, ahead);
    for (int c = 0; c < columns; c += most)
        multiply_columns<T, bytes, most>(u, rows, v + c * row_stride<T>, to.from(c * next_column),
                                         next_column, ahead);
}

// What the votes of the first `low` raters make of 2^low sums, one for each of their patterns.
template <class T, int bytes, int low>
FASTFUSE_INLINE Lanes<T, bytes> interpolate(const T* const* vote, std::int64_t voxel,
                                            Lanes<T, bytes>* value) {
    using L = Lanes<T, bytes>;
#pragma GCC unroll 4
    for (int i = low - 1; i >= 0; --i) {
        const L q = load<L>(vote[i] + voxel);
#pragma GCC unroll 8
        for (int b = 0; b < 1 << i; ++b)
            value[b] += q * (value[b + (1 << i)] - value[b]);
    }
    return value[0];
}

// Above 1 by rounding alone.
template <class L, class T> FASTFUSE_INLINE void store_probability(T* to, L w) {
    store(to, w < T(1) ? w : broadcast<L>(T(1)));
}

// w of the voxels of a row that begins at `first`. U and V are the products over the raters after the first
// `low`, in two groups. The votes of the first `low` raters interpolate between 2^low sums in registers.
template <class T, int bytes, int low>
FASTFUSE_INLINE void mix_low(const T* const* vote, const std::byte* const* next, const T* u, int rows,
                             const T* v, int columns, const T* posterior, std::int64_t first, T* consensus) {
    using L = Lanes<T, bytes>;
    for (std::int64_t k = 0; k < row_voxels<T>; k += lanes_in<T, bytes>) {
        L total{};
        for (int r = 0; r < rows; ++r) {
            L value[1 << low] = {};
            for (int c = 0; c < columns; ++c) {
                const L weight = load<L>(v + c * row_stride<T> + k);
                const T* of_patterns = posterior + ((c * rows + r) << low);
#pragma GCC unroll 16
                for (int b = 0; b < 1 << low; ++b)
                    value[b] += of_patterns[b] * weight;
            }
            const L mixed = interpolate<T, bytes, low>(vote, first + k, value);
            total += rows == 1 ? mixed : load<L>(u + r * row_stride<T> + k) * mixed;
        }
        for (int i = 0; i < low; ++i)
            fetch(next[i] + (first + k) * static_cast<std::int64_t>(sizeof(T)));
        store_probability(consensus + first + k, total);
    }
}

// The same for the whole tile, of `low` + `high` raters: V in registers, multiplied by the root; no U.
template <class T, int bytes, int low, int high>
FASTFUSE_INLINE void mix_few(const T* const* vote, const std::byte* const* next, const T* root,
                             const T* posterior, T* consensus) {
    using L = Lanes<T, bytes>;
    for (std::int64_t k = 0; k < tile_voxels<T>; k += lanes_in<T, bytes>) {
        L weight[1 << high];
        weight[0] = load<L>(root + k);
#pragma GCC unroll 4
        for (int i = 0; i < high; ++i) {
            const L yes = load<L>(vote[low + i] + k), no = T(1) - yes;
#pragma GCC unroll 4
            for (int c = 0; c < 1 << i; ++c) {
                weight[(1 << i) + c] = weight[c] * yes;
                weight[c] *= no;
            }
        }
        for (int i = 0; i < low + high; ++i)
            fetch(next[i] + k * static_cast<std::int64_t>(sizeof(T)));
        L value[1 << low];
#pragma GCC unroll 16
        for (int b = 0; b < 1 << low; ++b)
            value[b] = posterior[b] * weight[0];
#pragma GCC unroll 8
        for (int c = 1; c < 1 << high; ++c)
#pragma GCC unroll 16
            for (int b = 0; b < 1 << low; ++b)
                value[b] += posterior[(c << low) + b] * weight[c];
        store_probability(consensus + k, interpolate<T, bytes, low>(vote, k, value));
    }
}

// Greatest number of interpolated raters: their sums must fit the registers.
template <int bytes> constexpr int most_low = bytes == widest_lanes ? 4 : 3;

// Splits the raters for mixing: `low` are interpolated, `middle` belong to U and `high` to V.
struct MixSplit {
    constexpr MixSplit(int raters, int most)
        : low(std::min(raters, most)), high(std::min(raters - low, std::max(4, (raters - low + 1) / 2))),
          middle(raters - low - high) {}
    int low, high, middle;
    constexpr std::int64_t rows() const { return (std::int64_t{1} << middle) + (std::int64_t{1} << high); }
};

// Greatest number of scratch rows for mixing: with the fewest raters interpolated.
constexpr std::int64_t mix_rows(int raters) { return MixSplit(raters, most_low<0>).rows(); }

template <class T, int bytes, int low>
FASTFUSE_INLINE void mix_rest(const Columns<T>& votes, const MixSplit& split, const T* posterior,
                              const T* ones, T* scratch, T* consensus) {
    const int rows = 1 << split.middle, columns = 1 << split.high;
    T* u = scratch;
    T* v = scratch + rows * row_stride<T>;
    for (std::int64_t first = 0; first < tile_voxels<T>; first += row_voxels<T>) {
        if (split.middle > 0) spread<T, bytes>(votes.vote + low, split.middle, first, ones, u);
        spread<T, bytes>(votes.vote + low + split.middle, split.high, first, votes.weight, v);
        mix_low<T, bytes, low>(votes.vote, votes.next, u, rows, v, columns, posterior, first, consensus);
    }
}

// w_t = Σ_B q_t(B) p(1|B) of every voxel, multiplied by its weight. `scratch` takes mix_rows(raters) rows of
// products.
template <class T, int bytes>
FASTFUSE_INLINE void mix(const Columns<T>& votes, const T* posterior, const T* ones, T* scratch,
                         T* consensus) {
    constexpr int low = most_low<bytes>;
    if (votes.raters == 1)
        return mix_few<T, bytes, 1, 0>(votes.vote, votes.next, votes.weight, posterior, consensus);
    if (votes.raters == 2)
        return mix_few<T, bytes, 2, 0>(votes.vote, votes.next, votes.weight, posterior, consensus);
    if (votes.raters == 3)
        return mix_few<T, bytes, 3, 0>(votes.vote, votes.next, votes.weight, posterior, consensus);
    if (votes.raters == low)
        return mix_few<T, bytes, low, 0>(votes.vote, votes.next, votes.weight, posterior, consensus);
    if (votes.raters == low + 1)
        return mix_few<T, bytes, low, 1>(votes.vote, votes.next, votes.weight, posterior, consensus);
    if (votes.raters == low + 2)
        return mix_few<T, bytes, low, 2>(votes.vote, votes.next, votes.weight, posterior, consensus);
    if constexpr (bytes == widest_lanes) // as many as the registers hold
        if (votes.raters == low + 3)
            return mix_few<T, bytes, low, 3>(votes.vote, votes.next, votes.weight, posterior, consensus);
    mix_rest<T, bytes, low>(votes, MixSplit(votes.raters, low), posterior, ones, scratch, consensus);
}

} // namespace fastfuse::kernels
