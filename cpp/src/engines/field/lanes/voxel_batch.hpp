// Voxels of one colour out of several lines: by the bins of their log-odds, see series.hpp, or in tiles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "engines/field/board.hpp"
#include "engines/field/lanes/run_reader.hpp"
#include "engines/field/sweep.hpp"
#include "engines/lanes/masses/series.hpp"
#include "engines/lanes/tile.hpp"

namespace fastfuse {

// Scratch of one thread.
template <class T> class VoxelBatch {
  public:
    explicit VoxelBatch(int raters);

    bool is_empty() const { return voxels_ == 0; }
    bool has_room(std::int64_t voxels) const { return voxels_ + voxels <= most_voxels; }
    // Adds voxels that follow each other on the board, from `place` on, and lie two apart in the volume, from
    // `voxel` on; of these the ones inside the mask. `inside`: of the voxels in the volume; null: all are.
    void add(std::int64_t place, std::int64_t voxel, const double* logit, std::int64_t n,
             const std::uint8_t* inside);

    // Calls `take(bin, run)` for the voxels of each bin, in the order of the bins.
    template <class Take> void each_bin(RunReader<T>& reader, const Take& take) {
        sort();
        read(reader);
        std::int32_t begin = 0;
        for (std::size_t k = 0; k < end_.size(); begin = end_[k++])
            if (end_[k] > begin) take(lowest_ + static_cast<std::int32_t>(k), run_of(begin, end_[k]));
    }
    // Calls `take(columns, w)` for tiles of the voxels in the order in which they were added, each with a
    // prior of its own.
    template <class Take> void each_tile(RunReader<T>& reader, SweepScratch& scratch, const Take& take) {
        std::iota(to_.begin(), to_.begin() + voxels_, 0);
        read(reader);
        for (std::int64_t first = 0; first < voxels_; first += kernels::tile_voxels<T>)
            take(tile_of(first, scratch), w_.data() + first);
    }
    // Puts w of the voxels on the board, and empties the batch.
    template <class W> void put_w(Board<W>& board);

  private:
    static constexpr std::int64_t most_voxels = 16384;

    struct Stretch {
        std::int64_t place, voxel;
        std::int64_t begin, end; // among all voxels of the batch
        bool whole;              // none is left out
    };

    void sort();
    void read(RunReader<T>& reader);
    kernels::Columns<T> tile_of(std::int64_t first, SweepScratch& scratch);
    kernels::SeriesRun<T> run_of(std::int32_t begin, std::int32_t end);

    std::int64_t voxels_ = 0;
    std::vector<Stretch> stretches_;
    std::vector<double> logit_;
    std::vector<std::int32_t> offset_; // from the start of its stretch; not set where that is whole
    std::vector<std::int32_t> to_;     // its bin; then its place in the columns
    std::vector<std::int32_t> end_;    // of each bin from the lowest on: where it ends in the columns
    std::int32_t lowest_ = 0;
    std::vector<kernels::Aligned<T>> votes_;
    kernels::Aligned<T> delta_, w_;
    std::vector<const T*> columns_; // of each rater, where the run begins
    std::vector<const std::byte*> next_;
    kernels::Aligned<T> weight_, prior_, prior_complement_; // of a tile
};

extern template class VoxelBatch<float>;
extern template class VoxelBatch<double>;

} // namespace fastfuse
