// Input of the kernels: the votes of some voxels as columns of floats or doubles.
#pragma once

#include <cstdint>

namespace fastfuse::kernels {

constexpr int widest_lanes = 64; // bytes

// Voxels of a tile: the products of seven raters over them fit a core's own cache.
template <class T> constexpr std::int64_t tile_voxels = 2048 / static_cast<int>(sizeof(T));

// Every column is a whole tile long.
template <class T> struct Columns {
    int raters = 0;
    const T* const* vote = nullptr; // of each rater; 0 where the voxel does not count
    const T* weight = nullptr;      // 1 where it counts, else 0
    const T* prior = nullptr;       // of each voxel; null where one prior serves all
};

// Distance between rows of products. A power of two would put all rows into the same cache sets.
template <class T>
constexpr std::int64_t row_stride = tile_voxels<T> + widest_lanes / static_cast<int>(sizeof(T));

// Inserts a bit 0 at `rater` into a pattern; the bits from there on move up.
template <class Pattern> constexpr Pattern with_rater(Pattern pattern, int rater) {
    return (pattern >> rater << (rater + 1)) | (pattern & ((Pattern{1} << rater) - 1));
}

// Removes a rater's bit from a pattern.
template <class Pattern> constexpr Pattern without_rater(Pattern pattern, int rater) {
    return (pattern >> (rater + 1) << rater) | (pattern & ((Pattern{1} << rater) - 1));
}

} // namespace fastfuse::kernels
