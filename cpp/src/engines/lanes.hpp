// Engine for votes whose patterns do not repeat: voxels in lanes, on this machine or on a device.
#pragma once

#include <memory>

#include "engines/passes.hpp"
#include "engines/rows.hpp"

namespace fastfuse {

// Falls back to single voxels where a product over the raters might underflow in a lane, and altogether where
// votes are missing in too many ways.
class LanesEngine : public VoxelEngine {
  public:
    LanesEngine(const Task& task, std::unique_ptr<Passes> lanes);

    Census survey() override;
    Sums expectation(const Performance& performance) override;
    std::optional<Sums> sampled_expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;
    Written write_mean_vote() override;
    Observed observe(const Performance& performance) override;
    bool by_masses() const override;

  private:
    kernels::Step step() const;
    Gather to_gather() const;
    bool takes_sample() const;
    std::optional<Observed> observe_masses(const Performance& performance) const;

    std::unique_ptr<Passes> lanes_; // null: voxel by voxel
};

} // namespace fastfuse
