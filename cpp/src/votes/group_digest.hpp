// What the votes of a group of voxels have in common, seen in their own bits.
#pragma once

#include <array>
#include <cstdint>

#include "votes/blocks.hpp"

namespace fastfuse {

class GroupDigest {
  public:
    void clear() { any_ = differs_ = {}; }

    // One rater's votes, n at most group_voxels. False if one is no plain vote: it must be looked at more
    // closely.
    bool add(Scalar type, const std::byte* from, std::int64_t n, Check check);
    // A column that has been widened, of votes or of priors.
    void add_widened(const double* from, std::int64_t n, bool is_vote);

    bool any(std::int64_t voxel) const { return any_[static_cast<std::size_t>(voxel)] != 0; }
    // From the voxel before.
    bool differs(std::int64_t voxel) const { return differs_[static_cast<std::size_t>(voxel)] != 0; }

    using Column = std::array<std::uint32_t, group_voxels>;

  private:
    Column any_{}, differs_{};
};

} // namespace fastfuse
