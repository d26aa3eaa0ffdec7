// What is known of a tile's votes before any EM.
#pragma once

#include "kernels/lanes.hpp"
#include "kernels/product.hpp"
#include "kernels/tile.hpp"

namespace fastfuse::kernels {

struct Inspection {
    bool plain;                         // all votes lie in [0, 1], and no zero is negative
    double disputed;                    // voxels where not all votes are 0, nor all 1
    double yes[most_product_raters];    // Σ q_i
    double spread[most_product_raters]; // Σ q_i (1 − q_i)
};

// Looks at the whole tile, also at what has no weight: there, votes should be 0.
template <class T, int bytes> FASTFUSE_INLINE void inspect(const Columns<T>& votes, Inspection& to) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    using Bits = BitsOf<T>;
    using I = Lanes<typename Bits::type, bytes>;
    L yes[most_product_raters], spread[most_product_raters];
    for (int i = 0; i < votes.raters; ++i)
        yes[i] = spread[i] = L{};
    I signs{}, disputed{};
    for (std::int64_t first = 0; first < tile_voxels<T>; first += C::voxels) {
        L weight[C::vectors], sums[C::vectors];
        for (int j = 0; j < C::vectors; ++j) {
            weight[j] = load<L>(votes.weight + first + j * C::lanes);
            sums[j] = L{};
        }
        for (int i = 0; i < votes.raters; ++i) {
            L my_yes[2] = {}, my_spread[2] = {}; // two chains of additions, for their latency
            for (int j = 0; j < C::vectors; ++j) {
                const L q = load<L>(votes.vote[i] + first + j * C::lanes);
                I bits; // as integers, numbers from 0 to 1 keep their order
                std::memcpy(&bits, &q, sizeof bits);
                signs |= bits | (Bits::one - bits);
                sums[j] += q;
                my_yes[j % 2] += q;
                my_spread[j % 2] += q * (weight[j] - q);
            }
            yes[i] += my_yes[0] + my_yes[1];
            spread[i] += my_spread[0] + my_spread[1];
        }
        for (int j = 0; j < C::vectors; ++j) {
            const L doubt = sums[j] * (weight[j] * T(votes.raters) - sums[j]); // 0 where all votes are 0 or 1
            I bits;
            std::memcpy(&bits, &doubt, sizeof bits);
            disputed -= -bits >> (8 * sizeof(T) - 1); // −1 where there is doubt
        }
    }
    typename Bits::type sign[lanes_in<T, bytes>], in_dispute[lanes_in<T, bytes>];
    std::memcpy(sign, &signs, sizeof signs);
    std::memcpy(in_dispute, &disputed, sizeof disputed);
    to.plain = true;
    to.disputed = 0;
    for (int k = 0; k < lanes_in<T, bytes>; ++k) {
        to.plain &= sign[k] >= 0;
        to.disputed += static_cast<double>(in_dispute[k]);
    }
    for (int i = 0; i < votes.raters; ++i) {
        to.yes[i] = sum<T, bytes>(yes[i]);
        to.spread[i] = sum<T, bytes>(spread[i]);
    }
}

} // namespace fastfuse::kernels
