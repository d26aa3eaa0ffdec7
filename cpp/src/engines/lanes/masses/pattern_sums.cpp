// soft-STAPLE's masses on votes that do not repeat, with patterns in lanes: for processors with lanes of
// sixteen floats.
//
//   q_t(B) = x_t(b_0 … b_3) u_t(b_4 …)      weight of binary pattern B at voxel t              eq. (8)
//   N(B)   = Σ_t q_t(B)                     masses
//   M_i(B) = Σ_t q_it q_t(B)                moments, of the patterns in which rater i votes 0
//
// The four lowest raters have 16 patterns, a lane each; each pattern of the others has a vector of sums.
// So all sums stay in registers while voxels pass by, one after the other. Where voxels are in lanes
// (masses.hpp), products and sums go through the caches.
#include "engines/lanes/masses/pattern_sums.hpp"

#if defined(FASTFUSE_PATTERNS_IN_LANES)
#include <immintrin.h>

#include "support/lanes.hpp"

namespace fastfuse::kernels {
namespace {

using L = __m512;
constexpr int voxels = 64; // that are looked at before their sums are put by: few, so that all is near

// Of four values a voxel, in four vectors of 16 voxels, makes the 16 voxels' fours. Voxel 4 l + i comes
// to place 4 i + l.
FASTFUSE_PATTERNS_IN_LANES FASTFUSE_INLINE void by_voxel(L a, L b, L c, L d, float* to) {
    const __m512 ab = _mm512_unpacklo_ps(a, b), ab_too = _mm512_unpackhi_ps(a, b);
    const __m512 cd = _mm512_unpacklo_ps(c, d), cd_too = _mm512_unpackhi_ps(c, d);
    _mm512_store_ps(to, _mm512_shuffle_ps(ab, cd, 0x44));
    _mm512_store_ps(to + 16, _mm512_shuffle_ps(ab, cd, 0xee));
    _mm512_store_ps(to + 32, _mm512_shuffle_ps(ab_too, cd_too, 0x44));
    _mm512_store_ps(to + 48, _mm512_shuffle_ps(ab_too, cd_too, 0xee));
}

// Lane 4 j + e is a(e) b(j).
FASTFUSE_PATTERNS_IN_LANES FASTFUSE_INLINE L spread_over_lanes(const float* a, const float* b) {
    const __m512i j = _mm512_set_epi32(3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
    const __m512 of_b = _mm512_permutexvar_ps(j, _mm512_castps128_ps512(_mm_load_ps(b)));
    return _mm512_mul_ps(_mm512_broadcast_f32x4(_mm_load_ps(a)), of_b);
}

// What 64 voxels give, for `high` raters after the fourth.
template <int high, bool with_moments> struct Products {
    static constexpr int rows = mass_vectors(high) + (with_moments ? high_moment_vectors(high) : 0);
    alignas(64) float u[rows][voxels];    // by pattern of the high raters; then times the vote of each
    alignas(64) float first[4 * voxels];  // by pattern of raters 0 and 1
    alignas(64) float second[4 * voxels]; // by pattern of raters 2 and 3, times the root
    // The same times the vote of the first or the second of the two raters, where that rater votes 0.
    alignas(64) float first_again[with_moments ? 4 * voxels : 4];
    alignas(64) float second_again[with_moments ? 4 * voxels : 4];

    FASTFUSE_PATTERNS_IN_LANES FASTFUSE_INLINE void find(const Columns<float>& votes, std::int64_t from) {
        for (int k = 0; k < voxels; k += 16) {
            low_raters(votes.vote, votes.weight, from, k);
            high_raters(votes.vote, from, k);
            for (int i = 0; i < 4 + high; ++i)
                fetch(votes.next[i] + (from + k) * static_cast<std::int64_t>(sizeof(float)));
        }
    }

  private:
    FASTFUSE_PATTERNS_IN_LANES FASTFUSE_INLINE void low_raters(const float* const* vote, const float* root,
                                                               std::int64_t from, int k) {
        L yes[4], no[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            yes[i] = _mm512_loadu_ps(vote[i] + from + k);
            no[i] = 1.0f - yes[i];
        }
        const L weight = _mm512_loadu_ps(root + from + k);
        const L a[] = {no[0] * no[1], yes[0] * no[1], no[0] * yes[1], yes[0] * yes[1]};
        const L without = no[3] * weight, with = yes[3] * weight;
        const L b[] = {no[2] * without, yes[2] * without, no[2] * with, yes[2] * with};
        by_voxel(a[0], a[1], a[2], a[3], first + 4 * k);
        by_voxel(b[0], b[1], b[2], b[3], second + 4 * k);
        if constexpr (with_moments) {
            by_voxel(a[0] * yes[0], a[2] * yes[0], a[0] * yes[1], a[1] * yes[1], first_again + 4 * k);
            by_voxel(b[0] * yes[2], b[2] * yes[2], b[0] * yes[3], b[1] * yes[3], second_again + 4 * k);
        }
    }

    FASTFUSE_PATTERNS_IN_LANES FASTFUSE_INLINE void high_raters(const float* const* vote, std::int64_t from,
                                                                int k) {
        L product[1 << high], yes[high];
        product[0] = _mm512_set1_ps(1.0f);
#pragma GCC unroll 4
        for (int i = 0; i < high; ++i) {
            yes[i] = _mm512_loadu_ps(vote[4 + i] + from + k);
            const L no = 1.0f - yes[i];
#pragma GCC unroll 8
            for (int b = 0; b < 1 << i; ++b) {
                product[(1 << i) + b] = product[b] * yes[i];
                product[b] *= no;
            }
        }
#pragma GCC unroll 16
        for (int b = 0; b < 1 << high; ++b)
            _mm512_store_ps(u[b] + k, product[b]);
        if constexpr (with_moments) {
            int row = 1 << high;
#pragma GCC unroll 4
            for (int i = 0; i < high; ++i)
#pragma GCC unroll 16
                for (int b = 0; b < 1 << high; ++b)
                    if (!(b >> i & 1)) _mm512_store_ps(u[row++] + k, product[b] * yes[i]);
        }
    }
};

// Adds Σ_t u_t(r) x_t to the sums of R rows r, and of `second` too, with another x.
template <int R, bool two>
FASTFUSE_PATTERNS_IN_LANES FASTFUSE_INLINE void add_rows(const float (*u)[voxels], const float* a,
                                                         const float* b, const float* other_a,
                                                         const float* other_b, float* sums, float* others) {
    L sum[R] = {}, other[two ? R : 1] = {};
    for (int i = 0; i < 4 * voxels; i += 64)
        for (int j = 0; j < 4; ++j)
#pragma GCC unroll 4
            for (int l = 0; l < 4; ++l) {
                const int at = i + 16 * j + 4 * l, voxel = i / 4 + 4 * l + j; // as by_voxel puts them
                const L x = spread_over_lanes(a + at, b + at);
                L y{};
                if constexpr (two) y = spread_over_lanes(other_a + at, other_b + at);
#pragma GCC unroll 24
                for (int r = 0; r < R; ++r) {
                    sum[r] += u[r][voxel] * x;
                    if constexpr (two) other[r] += u[r][voxel] * y;
                }
            }
#pragma GCC unroll 24
    for (int r = 0; r < R; ++r) {
        _mm512_store_ps(sums + 16 * r, _mm512_loadu_ps(sums + 16 * r) + sum[r]);
        if constexpr (two) _mm512_store_ps(others + 16 * r, _mm512_loadu_ps(others + 16 * r) + other[r]);
    }
}

template <int high, bool with_moments>
FASTFUSE_PATTERNS_IN_LANES FASTFUSE_INLINE void add_tile(const Columns<float>& votes, float* sums) {
    using P = Products<high, with_moments>;
    constexpr int at_once = P::rows <= 24 ? P::rows : 16; // rows whose sums the registers hold
    constexpr int masses = mass_vectors(high), pairs = masses <= 8 ? masses : 8;
    static_assert(P::rows % at_once == 0);
    P products;
    for (std::int64_t from = 0; from < tile_voxels<float>; from += voxels) {
        products.find(votes, from);
        for (int r = 0; r < P::rows; r += at_once)
            add_rows<at_once, false>(products.u + r, products.first, products.second, nullptr, nullptr,
                                     sums + 16 * r, nullptr);
        for (int r = 0; with_moments && r < masses; r += pairs) {
            float* to = sums + 16 * (P::rows + r);
            add_rows<pairs, true>(products.u + r, products.first_again, products.second, products.first,
                                  products.second_again, to, to + 16 * masses);
        }
    }
}

} // namespace

FASTFUSE_PATTERNS_IN_LANES void add_patterns(const Columns<float>& votes, bool with_moments, float* sums) {
    switch (2 * votes.raters + with_moments) {
    case 10: return add_tile<1, false>(votes, sums);
    case 11: return add_tile<1, true>(votes, sums);
    case 12: return add_tile<2, false>(votes, sums);
    case 13: return add_tile<2, true>(votes, sums);
    case 14: return add_tile<3, false>(votes, sums);
    case 15: return add_tile<3, true>(votes, sums);
    case 16: return add_tile<4, false>(votes, sums);
    case 17: return add_tile<4, true>(votes, sums);
    }
}

} // namespace fastfuse::kernels
#endif
