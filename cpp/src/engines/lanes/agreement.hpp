// How far a tile's votes agree with its consensus.
//
//   seen       Σ w
//   both       Σ w q_i
//   neither    Σ (1 − w)(1 − q_i)
//
// over the voxels that count. Lanes of T hold the sums over a tile.
#pragma once

#include <algorithm>

#include "engines/lanes/product.hpp"
#include "engines/lanes/tile.hpp"
#include "support/lanes.hpp"

namespace fastfuse::kernels {

template <class T> struct TileAgreement {
    T least, most; // w where voxels count
    double seen;
    double both[most_product_raters], neither[most_product_raters];
};

// All values of the consensus lie in [0, 1]. Votes and consensus are 0 where the weight is 0.
template <class T, int bytes>
FASTFUSE_INLINE void agree(const Columns<T>& votes, const T* consensus, TileAgreement<T>& to) {
    using L = Lanes<T, bytes>;
    constexpr int lanes = lanes_in<T, bytes>;
    constexpr std::int64_t n = tile_voxels<T>;
    L low = broadcast<L>(T(1)), high{}, seen{};
    for (std::int64_t k = 0; k < n; k += lanes) {
        const L w = load<L>(consensus + k);
        const L counted = w + (T(1) - load<L>(votes.weight + k));
        low = counted < low ? counted : low;
        high = w > high ? w : high;
        seen += w;
    }
    T lows[lanes], highs[lanes];
    std::memcpy(lows, &low, sizeof low);
    std::memcpy(highs, &high, sizeof high);
    to.least = *std::min_element(lows, lows + lanes);
    to.most = *std::max_element(highs, highs + lanes);
    to.seen = sum<T, bytes>(seen);
    for (int i = 0; i < votes.raters; ++i) {
        L both[2] = {}, neither[2] = {}; // two chains of additions, to hide their latency
        for (std::int64_t k = 0; k < n; k += 2 * lanes)
            for (int j = 0; j < 2; ++j) {
                const L w = load<L>(consensus + k + j * lanes), q = load<L>(votes.vote[i] + k + j * lanes);
                both[j] += w * q;
                neither[j] += (load<L>(votes.weight + k + j * lanes) - w) * (T(1) - q);
            }
        to.both[i] = sum<T, bytes>(both[0] + both[1]);
        to.neither[i] = sum<T, bytes>(neither[0] + neither[1]);
    }
}

} // namespace fastfuse::kernels
