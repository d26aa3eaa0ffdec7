// First look at a tile's votes: checks and sums, before EM.
#pragma once

#include <algorithm>

#include "engines/lanes/product.hpp"
#include "engines/lanes/tile.hpp"
#include "support/lanes.hpp"

namespace fastfuse::kernels {

struct Inspection {
    bool plain;                         // all votes lie in [0, 1], and none is −0
    double disputed;                    // voxels where not all votes are 0, nor all 1
    double yes[most_product_raters];    // Σ q_i
    double no[most_product_raters];     // Σ (1 − q_i) where the weight is 1
    double spread[most_product_raters]; // Σ q_i (1 − q_i)
    double least, most;                 // of the votes with weight 1
};

// Inspects the whole tile. Where the weight is 0, votes must be 0.
template <class T, int bytes> FASTFUSE_INLINE void inspect(const Columns<T>& votes, Inspection& to) {
    using L = Lanes<T, bytes>;
    using C = Chunk<T, bytes>;
    using Bits = BitsOf<T>;
    using I = Lanes<typename Bits::type, bytes>;
    using U = Lanes<typename Bits::plain, bytes>; // unsigned: may wrap around
    L yes[most_product_raters], no[most_product_raters], spread[most_product_raters];
    for (int i = 0; i < votes.raters; ++i)
        yes[i] = no[i] = spread[i] = L{};
    // As integers, numbers from 0 to 1 keep their order; all others, NaN and −0 among them, are larger.
    U largest{}, smallest = ~U{};
    I disputed{};
    const U bits_of_one = U{} + static_cast<typename Bits::plain>(Bits::one);
    for (std::int64_t first = 0; first < tile_voxels<T>; first += C::voxels) {
        U high[C::vectors], low[C::vectors]; // highest and lowest vote of each voxel
#pragma GCC unroll 8
        for (int j = 0; j < C::vectors; ++j) {
            high[j] = U{};
            low[j] = ~U{};
        }
        for (int i = 0; i < votes.raters; ++i) {
            L my_yes[2] = {}, my_no[2] = {},
              my_spread[2] = {}; // two chains of additions, to hide their latency
#pragma GCC unroll 8
            for (int j = 0; j < C::vectors; ++j) {
                const L q = load<L>(votes.vote[i] + first + j * C::lanes);
                const L rest = load<L>(votes.weight + first + j * C::lanes) - q;
                U bits;
                std::memcpy(&bits, &q, sizeof bits);
                high[j] = bits > high[j] ? bits : high[j];
                low[j] = bits < low[j] ? bits : low[j];
                my_yes[j % 2] += q;
                my_no[j % 2] += rest;
                my_spread[j % 2] += q * rest;
            }
            yes[i] += my_yes[0] + my_yes[1];
            no[i] += my_no[0] + my_no[1];
            spread[i] += my_spread[0] + my_spread[1];
        }
#pragma GCC unroll 8
        for (int j = 0; j < C::vectors; ++j) {
            const U doubt = -high[j] & (low[j] - bits_of_one); // negative where not all are 0, nor all 1
            I sign;
            std::memcpy(&sign, &doubt, sizeof doubt);
            disputed -= sign >> (8 * sizeof(T) - 1);
            largest = high[j] > largest ? high[j] : largest;
            L least;
            std::memcpy(&least, &low[j], sizeof least);
            least += T(1) - load<L>(votes.weight + first + j * C::lanes);
            std::memcpy(&low[j], &least, sizeof least);
            smallest = low[j] < smallest ? low[j] : smallest;
        }
    }
    typename Bits::type in_dispute[lanes_in<T, bytes>];
    typename Bits::plain largest_bits[lanes_in<T, bytes>];
    std::memcpy(largest_bits, &largest, sizeof largest);
    std::memcpy(in_dispute, &disputed, sizeof disputed);
    T highs[lanes_in<T, bytes>], lows[lanes_in<T, bytes>];
    std::memcpy(highs, &largest, sizeof largest);
    std::memcpy(lows, &smallest, sizeof smallest);
    to.least = static_cast<double>(*std::min_element(lows, lows + lanes_in<T, bytes>));
    to.most = static_cast<double>(*std::max_element(highs, highs + lanes_in<T, bytes>));
    to.plain = true;
    to.disputed = 0;
    for (int k = 0; k < lanes_in<T, bytes>; ++k) {
        to.plain &= largest_bits[k] <= static_cast<typename Bits::plain>(Bits::one);
        to.disputed += static_cast<double>(in_dispute[k]);
    }
    for (int i = 0; i < votes.raters; ++i) {
        to.yes[i] = sum<T, bytes>(yes[i]);
        to.no[i] = sum<T, bytes>(no[i]);
        to.spread[i] = sum<T, bytes>(spread[i]);
    }
}

} // namespace fastfuse::kernels
