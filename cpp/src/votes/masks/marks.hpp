// Marks of the voxels of a block: one bit a rater, from votes of any type.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "fastfuse/votes.hpp"
#include "votes/blocks.hpp"

namespace fastfuse::masks {

// Some of a block's groups, in ascending order.
struct GroupList {
    std::array<std::uint8_t, block_voxels / group_voxels> group;
    std::int64_t size = 0;
};

using Bytes = std::array<std::uint8_t, static_cast<std::size_t>(block_voxels)>; // one a voxel

// How one array's values are marks.
struct Marking {
    Scalar type;
    double mark = 1;     // the value that is one
    bool labels = false; // whether other values than 0 and the mark are labels, which count as 0, or errors
};

// Whether n values are all 0 or 1; `to`: 1 where a value is 1, else 0.
bool read_ones(Scalar type, const std::byte* from, std::int64_t n, std::uint8_t* to);

// The sum of a group's bytes, each 0 or 1.
std::int64_t sum_of_group(const std::uint8_t* bytes);

// Whether arrays of this type can have such a mark.
bool can_mark(Scalar type, double mark);

// Shifts the patterns of the groups' voxels by one bit and appends whether the vote is a mark; 0 outside.
// `from`: the block's votes. `inside`: 1 or 0 of each voxel of the block. Pattern k of the list's group j is
// at j * group_voxels + k. Returns whether all votes inside are valid.
bool append(const Marking& marking, const std::byte* from, const GroupList& groups,
            const std::uint8_t* inside, std::uint8_t* patterns);

} // namespace fastfuse::masks
