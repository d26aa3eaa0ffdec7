// Slopes of a tile's voxels by eq. (10)'s mixture, a row of lanes for each rate.
//
//   x_1, x_0   slope of the log-likelihood in a rate where the truth is 1, and where it is 0: for θ_i1
//              (2q − 1)/a_i1 and 0, for θ_i0 0 and (1 − 2q)/a_i0, for π 1/π and −1/(1 − π)
//
// Order of the rows: θ_11 … θ_m1, θ_10 … θ_m0, π.
#pragma once

#include <cstdint>

#include "engines/lanes/product.hpp"

namespace fastfuse::kernels {

template <class T> struct SlopeRows {
    T* difference; // x_1 − x_0
    T* doubt;      // w u (x_1 − x_0); 0 where the weight is 0
    T* score;      // w x_1 + u x_0; 0 where the weight is 0
    SlopeRows from(std::int64_t k) const { return {difference + k, doubt + k, score + k}; }
};

// Stores the slopes of one rate; `part`: w for a rate of truth 1, −u for one of truth 0.
template <class T, int bytes>
FASTFUSE_INLINE void store_slopes(Lanes<T, bytes> difference, Lanes<T, bytes> part, Lanes<T, bytes> both,
                                  const SlopeRows<T>& to) {
    store(to.difference, difference);
    store(to.doubt, both * difference);
    store(to.score, part * difference);
}

template <class L, class T> FASTFUSE_INLINE L likelihood_of(L q, const Rate<T>& rate) {
    return rate.towards_yes ? likelihood<true>(q, rate) : likelihood<false>(q, rate);
}

// The slopes of every voxel of the row that begins at voxel `begin` of a tile.
template <class T, int bytes>
FASTFUSE_INLINE void slopes(const Columns<T>& votes, const Rates<T>& rates, std::int64_t begin,
                            const SlopeRows<T>& to) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    const T of_one = T(1) / rates.prior, of_zero = T(1) / rates.prior_complement;
    for (std::int64_t first = begin; first < begin + row_voxels<T>; first += C::voxels) {
        C chunk;
        multiply_likelihoods<T, bytes>(votes, rates, first, chunk, nullptr);
        for (int j = 0; j < C::vectors; ++j) {
            const std::int64_t k = first + j * C::lanes;
            const L weight = load<L>(votes.weight + k);
            const L scale = weight / (weight * (chunk.one[j] + chunk.zero[j]) + (T(1) - weight));
            const L w = chunk.one[j] * scale, u = chunk.zero[j] * scale; // eqs. (12), (13)
            for (int i = 0; i < votes.raters; ++i) {
                const L q = load<L>(votes.vote[i] + k);
                const L lean = q + q - T(1);
                store_slopes<T, bytes>(lean / likelihood_of(q, rates.one[i]), w, w * u,
                                       to.from(i * row_stride<T> + k - begin));
                store_slopes<T, bytes>(lean / likelihood_of(q, rates.zero[i]), -u, w * u,
                                       to.from((votes.raters + i) * row_stride<T> + k - begin));
            }
            const L difference = broadcast<L>(of_one + of_zero);
            const SlopeRows<T> last = to.from(2 * votes.raters * row_stride<T> + k - begin);
            store(last.difference, difference);
            store(last.doubt, w * u * difference);
            store(last.score, w * of_one - u * of_zero);
        }
    }
}

} // namespace fastfuse::kernels
