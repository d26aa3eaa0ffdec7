// Engine for votes whose patterns do not repeat: voxels in lanes, of this machine or of a device.
#pragma once

#include <memory>

#include "engines/passes.hpp"
#include "engines/rows.hpp"

namespace fastfuse {

// Goes on voxel by voxel where a product over the raters might vanish in a lane.
class LanesEngine : public VoxelEngine {
  public:
    LanesEngine(const Task& task, std::unique_ptr<Passes> lanes);

    Census survey() override;
    Sums expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;
    Written write_mean_vote() override;
    Observed observe(const Performance& performance) override;

  private:
    kernels::Step step() const;
    Gather to_gather() const;

    std::unique_ptr<Passes> lanes_;
};

} // namespace fastfuse
