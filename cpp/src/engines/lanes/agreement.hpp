// How far a tile's votes agree with its consensus.
//
//   seen       Σ w
//   both       Σ w q_i
//   neither    Σ (1 − w)(1 − q_i)
//
// over the voxels that count. Lanes of T hold the sums over a tile.
#pragma once

#include <algorithm>
#include <numeric>

#include "engines/lanes/product.hpp"
#include "engines/lanes/tile.hpp"
#include "support/lanes.hpp"

namespace fastfuse::kernels {

template <class T> struct TileAgreement {
    T least, most; // w where voxels count
    double seen;
    double both[most_product_raters], neither[most_product_raters];
};

// Sums of `count` raters from the rater `from` on, all in registers.
template <class T, int bytes, int count>
FASTFUSE_INLINE void agree_with(const Columns<T>& votes, int from, const T* consensus, TileAgreement<T>& to) {
    using L = Lanes<T, bytes>;
    L both[count] = {}, neither[count] = {};
    for (std::int64_t k = 0; k < tile_voxels<T>; k += lanes_in<T, bytes>) {
        const L w = load<L>(consensus + k), rest = load<L>(votes.weight + k) - w;
#pragma GCC unroll 8
        for (int i = 0; i < count; ++i) {
            const L q = load<L>(votes.vote[from + i] + k);
            both[i] += w * q;
            neither[i] += rest * (T(1) - q);
        }
    }
    for (int i = 0; i < count; ++i) {
        to.both[from + i] = sum<T, bytes>(both[i]);
        to.neither[from + i] = sum<T, bytes>(neither[i]);
    }
}

// All values of the consensus lie in [0, 1]. Votes and consensus are 0 where the weight is 0.
template <class T, int bytes>
FASTFUSE_INLINE void agree(const Columns<T>& votes, const T* consensus, TileAgreement<T>& to) {
    using L = Lanes<T, bytes>;
    constexpr int lanes = lanes_in<T, bytes>;
    L low = broadcast<L>(T(1)), high{}, seen{};
    for (std::int64_t k = 0; k < tile_voxels<T>; k += lanes) {
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
    constexpr int at_once = bytes == widest_lanes ? 8 : 4; // raters whose sums the registers hold
    for (int i = 0; i < votes.raters; i += at_once)
        switch (std::min(votes.raters - i, at_once)) {
        case 1: agree_with<T, bytes, 1>(votes, i, consensus, to); break;
        case 2: agree_with<T, bytes, 2>(votes, i, consensus, to); break;
        case 3: agree_with<T, bytes, 3>(votes, i, consensus, to); break;
        case 5: agree_with<T, bytes, std::min(5, at_once)>(votes, i, consensus, to); break;
        case 6: agree_with<T, bytes, std::min(6, at_once)>(votes, i, consensus, to); break;
        case 7: agree_with<T, bytes, std::min(7, at_once)>(votes, i, consensus, to); break;
        case 8: agree_with<T, bytes, at_once>(votes, i, consensus, to); break;
        default: agree_with<T, bytes, 4>(votes, i, consensus, to);
        }
}

// Counts the voxels at 0.5 or above, of the mean vote, of the consensus, and of both.
template <class T, int bytes>
FASTFUSE_INLINE void count_marks(const Columns<T>& votes, const T* consensus, HalfMarks& to) {
    using L = Lanes<T, bytes>;
    using I = Lanes<typename BitsOf<T>::type, bytes>;
    constexpr int lanes = lanes_in<T, bytes>, sign = 8 * static_cast<int>(sizeof(T)) - 1;
    const T half = T(0.5) * T(votes.raters);
    const auto below_zero = [](L difference) { // −1 where it is, else 0
        I bits;
        std::memcpy(&bits, &difference, sizeof bits);
        return bits >> sign;
    };
    I of_mean{}, of_consensus{}, of_both{};
    for (std::int64_t k = 0; k < tile_voxels<T>; k += lanes) {
        L sum{};
        for (int i = 0; i < votes.raters; ++i)
            sum += load<L>(votes.vote[i] + k);
        const I no_mean = below_zero(sum - half), no = below_zero(load<L>(consensus + k) - T(0.5));
        of_mean += no_mean + 1;
        of_consensus += no + 1;
        of_both += (no_mean | no) + 1;
    }
    const auto total = [](I counts) {
        typename BitsOf<T>::type count[lanes];
        std::memcpy(count, &counts, sizeof counts);
        return static_cast<double>(std::accumulate(count, count + lanes, std::int64_t{0}));
    };
    to = {total(of_mean), total(of_consensus), total(of_both)};
}

} // namespace fastfuse::kernels
