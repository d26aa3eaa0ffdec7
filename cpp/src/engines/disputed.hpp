// Voxels on which the raters differ.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

struct Region {
    std::vector<std::uint8_t> disputed; // 1 where votes differ, or fewer than two of several raters vote
    std::vector<std::uint8_t> marked;   // 1 where all votes that are not missing are 1
    std::vector<std::uint8_t> agreed;   // 1 where all votes that are not missing are 1, or all are 0
    std::vector<double> read;           // agreed voxels that each rater votes on
    std::vector<double> volume;         // agreed voxels that each rater marks
};

// Finds the region inside the mask. Throws BadInput.
Region find_disputed(const Votes& votes, const Team& team);

// The votes on disputed voxels only. The region must outlive them.
Votes disputed_part(const Votes& votes, const Region& region);

// A view of an array with one value for each voxel, in C order.
View view_of(const std::vector<std::uint8_t>& bytes, const std::vector<std::int64_t>& shape);
View view_of(const std::vector<double>& values, const std::vector<std::int64_t>& shape);

} // namespace fastfuse
