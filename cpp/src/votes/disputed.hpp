// Voxels on which the raters differ.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

struct Region {
    std::vector<std::uint8_t> disputed; // 1 where they differ, or fewer than two vote, of several
    std::vector<std::uint8_t> marked;   // 1 where all votes that are there are 1
    std::vector<std::uint8_t> agreed;   // 1 where they are all 1, or all 0
    std::vector<double> read;           // agreed voxels that each rater votes on
    std::vector<double> volume;         // agreed voxels that each rater marks
};

// Inside the mask. Throws BadInput.
Region find_disputed(const Votes& votes, const Team& team);

// The votes on disputed voxels alone. The region must outlive them.
Votes disputed_part(const Votes& votes, const Region& region);

// A view of one byte a voxel.
View view_of(const std::vector<std::uint8_t>& bytes, const std::vector<std::int64_t>& shape);
View view_of(const std::vector<double>& values, const std::vector<std::int64_t>& shape);

} // namespace fastfuse
