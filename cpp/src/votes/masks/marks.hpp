// Marks of the voxels of a block: one bit a rater, from votes of any type.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fastfuse/votes.hpp"
#include "votes/blocks.hpp"

namespace fastfuse::masks {

// Some of a block's groups, in ascending order, and the places of their patterns.
struct GroupList {
    std::array<std::uint8_t, block_voxels / group_voxels> group, place;
    std::int64_t size = 0;

    // Adds a group, if `is_in`.
    void add(std::int64_t of, std::int64_t at, std::uint64_t is_in) {
        group[static_cast<std::size_t>(size)] = static_cast<std::uint8_t>(of);
        place[static_cast<std::size_t>(size)] = static_cast<std::uint8_t>(at);
        size += static_cast<std::int64_t>(is_in);
    }
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

// Whether all bytes are 1.
inline bool are_ones(const std::uint8_t* bytes, std::int64_t n) {
    return std::all_of(bytes, bytes + n, [](std::uint8_t one) { return one == 1; });
}

// Whether a block's values, bytes, are all 1.
bool are_all_one(Scalar type, const std::byte* from);

// The sum of a group's bytes, each 0 or 1.
inline std::int64_t sum_of_group(const std::uint8_t* bytes) {
    std::array<std::uint64_t, static_cast<std::size_t>(group_voxels) / 8> words;
    std::memcpy(words.data(), bytes, sizeof words);
    std::uint64_t sums = 0; // of every eighth byte
    for (const std::uint64_t word : words)
        sums += word;
    return static_cast<std::int64_t>(sums * 0x0101010101010101u >> 56); // the highest byte is their sum
}

// Whether arrays of this type can have such a mark.
bool can_mark(Scalar type, double mark);

// Shifts the patterns of the groups' voxels by one bit and appends whether the vote is a mark; 0 outside.
// `from`: the block's votes. `inside`: 1 or 0 of each voxel of the block. Pattern k of a group is at
// its place * group_voxels + k. Returns whether all votes inside are valid.
bool append(const Marking& marking, const std::byte* from, const GroupList& groups,
            const std::uint8_t* inside, std::uint8_t* patterns);

} // namespace fastfuse::masks
