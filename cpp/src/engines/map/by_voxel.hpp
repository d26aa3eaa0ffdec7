// Engine of a prior map on soft votes that do not repeat: soft-STAPLE on the moments of the 2^m binary
// patterns, see map/moments.hpp. Three passes over the votes, however many iterations.
#pragma once

#include <memory>

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

    const map::Moments moments_;
};

} // namespace fastfuse
