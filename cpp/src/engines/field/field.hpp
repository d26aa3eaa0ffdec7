// Engine of the Markov random field, voxel by voxel: see mean_field.hpp.
#pragma once

#include <optional>
#include <vector>

#include "engines/field/board.hpp"
#include "engines/field/mean_field.hpp"
#include "engines/rows.hpp"

namespace fastfuse {

// Sweeps with known rates until the mean of w moves by no more than options.tol.
void settle(Engine& field, const Performance& performance, const Options& options);

class FieldEngine : public VoxelEngine {
  public:
    // `region`: its agreed voxels keep their value; may be null.
    FieldEngine(const Task& task, const Region* region);

    Sums expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;

  private:
    const std::vector<double> coupling_;
    const Region* region_;
    std::optional<MeanField> field_; // after the first sweep
};

} // namespace fastfuse
