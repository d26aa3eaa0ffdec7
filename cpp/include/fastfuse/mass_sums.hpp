// Masses of the binary vote patterns of a volume: all that soft-STAPLE needs of votes that do not repeat.
//
//   q_t(B)   weight of binary pattern B in the soft votes of voxel t, Π_i q_it(b_i)
//   N(B)     mass of B in the volume, Σ_t q_t(B)                eq. (8)
//   M_i(B)   its moment, Σ_t q_it q_t(B)
//
// Each term is rounded once, to a multiple of 2^-53. From there on all sums are of whole numbers: the same
// in whatever order voxels, parts of a volume and cases are added.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastfuse {

constexpr int most_raters_of_masses = 12; // a voxel whose votes are all fractional has 13 · 2^12 terms
constexpr std::int64_t most_masses = std::int64_t{1} << 16; // N(B) of all groups together

struct MassSums {
    int raters = 0;
    // A group is the voxels on which the same raters have no vote: bit i stands for rater i.
    std::vector<std::uint32_t> absent;
    // Of each group (m + 1) 2^m sums, N(B) and then each M_i(B), B from 0 on; bit i of B is b_i. A sum is
    // whole + part · 2^-53, 0 <= part < 2^53.
    std::vector<std::int64_t> whole, part;
    std::int64_t voxels = 0;

    std::size_t patterns() const { return std::size_t{1} << raters; }
};

} // namespace fastfuse
