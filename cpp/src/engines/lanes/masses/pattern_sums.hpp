// Sums of soft-STAPLE's products with patterns in lanes: see pattern_sums.cpp.
#pragma once

#include <algorithm>

#include "engines/lanes/tile.hpp"

namespace fastfuse::kernels {

// Numbers of raters that have such sums. More than eight have more sums than registers hold.
constexpr int fewest_pattern_raters = 5, most_pattern_raters = 8;

// Vectors of sums of the raters after the fourth: their masses, their moments, and the moments of raters 0
// and 1, and of 2 and 3, which share a vector.
constexpr int mass_vectors(int high) { return 1 << high; }
constexpr int high_moment_vectors(int high) { return high << high >> 1; }
constexpr int pattern_vectors(int raters, bool with_moments) {
    const int high = raters - 4;
    return mass_vectors(high) + (with_moments ? high_moment_vectors(high) + 2 * mass_vectors(high) : 0);
}

#if defined(__GNUC__) && defined(__x86_64__)
#define FASTFUSE_PATTERNS_IN_LANES __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma")))

// Adds a tile's products to `sums`, pattern_vectors(…) vectors of 16 floats that begin where a vector may
// lie.
void add_patterns(const Columns<float>& votes, bool with_moments, float* sums);
#endif

// Adds such sums to N(B), and to M_i(B) of the patterns in which rater i votes 0, and empties them.
template <class T> void settle_patterns(int raters, bool with_moments, Aligned<T>& sums, double* table) {
    const int high = raters - 4, patterns = 1 << raters;
    const T* from = sums.data();
    const auto add = [&](double* to, int size) {
        for (int k = 0; k < size; ++k)
            to[k] += static_cast<double>(*from++);
    };
    add(table, patterns);
    if (with_moments) {
        const auto moments = [&](int rater) { return table + patterns + rater * patterns / 2; };
        add(moments(4), high * patterns / 2);
        for (int r = 0; r < mass_vectors(high); ++r) // lane 4 j + e: rater e / 2; j, of raters 2 and 3
            for (int j = 0; j < 4; ++j) {
                add(moments(0) + 8 * r + 2 * j, 2);
                add(moments(1) + 8 * r + 2 * j, 2);
            }
        for (int r = 0; r < mass_vectors(high); ++r) { // lane 4 e + j: rater 2 + e / 2; j, of raters 0 and 1
            add(moments(2) + 8 * r, 8);
            add(moments(3) + 8 * r, 8);
        }
    }
    std::fill_n(sums.data(), 16 * pattern_vectors(raters, with_moments), T(0));
}

} // namespace fastfuse::kernels
