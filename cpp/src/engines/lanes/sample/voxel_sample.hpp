// A sample of a volume's voxels, dense where much is in doubt: an E-step of it costs little.
//
//   d   doubt of a voxel, s (1 − s), s the mean vote
//   t   from this doubt on every voxel is taken; below it the share (d / t)², in four classes of d
//
// Which voxels are taken depends on the votes alone.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engines/lanes/rates.hpp"
#include "engines/lanes/tile_walk.hpp"
#include "posterior/product.hpp"
#include "posterior/statistics.hpp"

namespace fastfuse {

constexpr int sample_classes = 4; // every voxel, every 4th, every 16th and every 64th is taken

template <class T> class VoxelSample {
  public:
    explicit VoxelSample(int raters = 0) : raters_(raters) {}

    void pick(const Tile<T>& tile, const T* doubts, T most, T threshold);
    // Those of a later part of the volume.
    void add(const VoxelSample& other);

    std::int64_t size() const;

    // To be called when all are picked: then `sums` may be.
    void pack();
    // Sums of an E-step, each voxel for as many as its class stands for.
    Sums expectation(kernels::Step step, const Performance& performance, const Team& team) const;

  private:
    struct Class {
        std::int64_t seen = 0; // voxels, of which one in 4^k was taken
        std::vector<T> votes;  // rater by rater of each voxel; when packed, of each tile
    };
    void pick_voxel(const Tile<T>& tile, std::int64_t voxel, std::size_t of_class);

    int raters_;
    std::array<Class, sample_classes> classes_;
    std::array<std::int64_t, sample_classes> taken_{};
};

// The least threshold for which the sample takes about this share of the voxels, by a look at some tiles.
template <class T> T threshold_for(TileWalk<T>& walk, double share);

extern template class VoxelSample<float>;
extern template class VoxelSample<double>;

} // namespace fastfuse
