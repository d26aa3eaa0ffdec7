// Finds, from the bits of a group of votes, which voxels have a vote and which differ from the voxel before.
#pragma once

#include <array>
#include <cstdint>

#include "votes/blocks.hpp"

namespace fastfuse {

class GroupDigest {
  public:
    void clear() { any_ = differs_ = {}; }

    // Adds one rater's votes, n ≤ group_voxels. Returns whether all are valid votes.
    bool add(Scalar type, const std::byte* from, std::int64_t n, Check check);
    // Adds where a rater looked: 1, else 0.
    void add_seen(const std::uint8_t* seen, std::int64_t n);
    // Adds a column of votes or priors that were widened to double.
    void add_widened(const double* from, std::int64_t n, bool is_vote);

    bool any(std::int64_t voxel) const { return any_[static_cast<std::size_t>(voxel)] != 0; }
    // Whether a vote differs from the one at the voxel before.
    bool differs(std::int64_t voxel) const { return differs_[static_cast<std::size_t>(voxel)] != 0; }

    using Column = std::array<std::uint32_t, group_voxels>;

  private:
    Column any_{}, differs_{};
};

} // namespace fastfuse
