// A prior map, a block at a time, as doubles. Scratch of one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastfuse/votes.hpp"
#include "votes/blocks.hpp"

namespace fastfuse::map {

class Priors {
  public:
    explicit Priors(const Votes& votes) : votes_(votes), values_(static_cast<std::size_t>(block_voxels)) {}

    // Valid until the next call.
    const double* read(std::int64_t block) {
        const std::int64_t first = block * block_voxels;
        voxels_ = std::min(block_voxels, votes_.voxels() - first);
        const View& view = *votes_.prior;
        widen_all(view.type, native_run(view, votes_.shape, first, voxels_, copy_), voxels_, values_.data());
        return values_.data();
    }
    std::int64_t voxels() const { return voxels_; } // of the block

  private:
    const Votes& votes_;
    std::vector<std::byte> copy_;
    std::vector<double> values_;
    std::int64_t voxels_ = 0;
};

} // namespace fastfuse::map
