// Input of the kernels: the votes of some voxels as columns of floats or doubles.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastfuse::kernels {

constexpr int widest_lanes = 64; // bytes

// Voxels of a tile.
template <class T> constexpr std::int64_t tile_voxels = 2048 / static_cast<int>(sizeof(T));

// Every column is a whole tile long.
template <class T> struct Columns {
    int raters = 0;
    const T* const* vote = nullptr; // of each rater; 0 where the voxel does not count
    // Where each rater's votes of the next tile may lie in memory. Kernels fetch them while they compute: for
    // each vector that they read, one at the same distance from here.
    const std::byte* const* next = nullptr;
    const T* weight = nullptr;           // 1 where it counts, else 0
    const T* prior = nullptr;            // p(truth 1) at each voxel; null where one number serves all voxels
    const T* prior_complement = nullptr; // 1 − prior, where it may be too little for a difference; or null
};

// A row of products: of so many voxels that those of seven raters fit the nearest cache.
template <class T> constexpr std::int64_t row_voxels = tile_voxels<T> / 2;

// Calls `work` with the voxel at which each row of a tile begins.
template <class T, class Work> void each_row(const Work& work) {
    for (std::int64_t first = 0; first < tile_voxels<T>; first += row_voxels<T>)
        work(first);
}

// Distance between rows of products. A power of two would put all rows into the same cache sets.
template <class T>
constexpr std::int64_t row_stride = row_voxels<T> + widest_lanes / static_cast<int>(sizeof(T));

// Values that begin where a vector may lie: stores across two cache lines take twice the time.
template <class T> class Aligned {
  public:
    explicit Aligned(std::int64_t size = 0, T value = 0) { resize(size, value); }
    void resize(std::int64_t size, T value = 0) {
        lines_.resize(static_cast<std::size_t>((size + in_line - 1) / in_line));
        std::fill_n(data(), size, value);
    }
    bool empty() const { return lines_.empty(); }
    T* data() { return reinterpret_cast<T*>(lines_.data()); }
    const T* data() const { return reinterpret_cast<const T*>(lines_.data()); }

  private:
    static constexpr std::int64_t in_line = widest_lanes / static_cast<int>(sizeof(T));
    struct alignas(widest_lanes) Line {
        T values[in_line];
    };
    std::vector<Line> lines_;
};

// Inserts a bit 0 at `rater` into a pattern; the bits from there on move up.
template <class Pattern> constexpr Pattern with_rater(Pattern pattern, int rater) {
    return (pattern >> rater << (rater + 1)) | (pattern & ((Pattern{1} << rater) - 1));
}

// Removes a rater's bit from a pattern.
template <class Pattern> constexpr Pattern without_rater(Pattern pattern, int rater) {
    return (pattern >> (rater + 1) << rater) | (pattern & ((Pattern{1} << rater) - 1));
}

} // namespace fastfuse::kernels
