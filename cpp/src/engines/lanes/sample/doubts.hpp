// How much a voxel may tell about the rates: s (1 − s), s the mean vote.
#pragma once

#include <algorithm>

#include "engines/lanes/tile.hpp"
#include "support/lanes.hpp"

namespace fastfuse::kernels {

// Of every voxel of the tile. Returns the largest.
template <class T, int bytes> FASTFUSE_INLINE T doubts(const Columns<T>& votes, T* to) {
    using L = Lanes<T, bytes>;
    constexpr int lanes = lanes_in<T, bytes>, at_once = 4;
    const T share = T(1) / T(votes.raters);
    L high{};
    for (std::int64_t k = 0; k < tile_voxels<T>; k += at_once * lanes) {
        L sums[at_once] = {};
        for (int i = 0; i < votes.raters; ++i)
            for (int j = 0; j < at_once; ++j)
                sums[j] += load<L>(votes.vote[i] + k + j * lanes);
        for (int j = 0; j < at_once; ++j) {
            const L mean = sums[j] * share, doubt = mean * (T(1) - mean);
            high = doubt > high ? doubt : high;
            store(to + k + j * lanes, doubt);
        }
    }
    T highs[lanes];
    std::memcpy(highs, &high, sizeof high);
    return *std::max_element(highs, highs + lanes);
}

} // namespace fastfuse::kernels
