// The voxels that a mask marks.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse {

// Their indices in order. A mask holds 0 and 1; with `binarize` whatever is above 0 counts as 1. Throws
// BadInput for the first voxel that holds anything else.
std::vector<std::int64_t> marked_voxels(const View& mask, const std::vector<std::int64_t>& shape,
                                        bool binarize, const Team& team);

} // namespace fastfuse
