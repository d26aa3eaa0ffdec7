// Engine of a prior map on soft votes that do not repeat: soft-STAPLE on the moments of the 2^m binary
// patterns, see map/moments.hpp. Three passes over the votes, however many iterations. Voxels on which not
// all raters vote have no moments: every iteration goes through them.
#pragma once

#include <memory>
#include <optional>

#include "engines/lanes/tile_walk.hpp"
#include "engines/map/moments.hpp"
#include "engines/rows.hpp"

namespace fastfuse {

class MapByVoxel : public VoxelEngine {
  public:
    // Null where map::Moments cannot hold the map.
    static std::unique_ptr<MapByVoxel> make(const Task& task);

    Census survey() override { return census_; }
    Sums expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;

  private:
    MapByVoxel(const Task& task, Census census, map::Moments moments);
    Sums partial_expectation(const Performance& performance);

    const map::Moments moments_;
    std::optional<TileWalk<double>> partial_; // over these voxels
};

} // namespace fastfuse
