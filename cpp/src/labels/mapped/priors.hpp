// Reads a map of priors for each label, a run of voxels at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastfuse/soft_labels.hpp"

namespace fastfuse {

// Scratch of one thread.
class PriorReader {
  public:
    // `capacity`: voxels of a run at most, and distance of columns.
    PriorReader(const SoftVotes& votes, std::int64_t capacity);

    // Sets π(a) of the run's voxel k at a * capacity + k, clamped and scaled to 1. `inside`: 0 where a voxel
    // does not count; null: all do. Returns the number of voxels that were clamped. Throws BadInput for the
    // first voxel of the run that holds no probability of each label.
    std::int64_t read(std::int64_t first, std::int64_t voxels, const std::uint8_t* inside, double* columns);

  private:
    bool clamp(double* prior) const;

    const SoftVotes& votes_;
    std::int64_t capacity_;
    std::vector<double> sum_;
    std::vector<std::byte> native_;
};

} // namespace fastfuse
