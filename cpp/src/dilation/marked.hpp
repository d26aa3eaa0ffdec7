// The foreground voxels of a mask.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse {

// Indices of the foreground voxels, in order. A mask holds 0 and 1; with `binarize`, values above 0 count
// as 1. Throws BadInput for the first voxel with another value.
std::vector<std::int64_t> marked_voxels(const View& mask, const std::vector<std::int64_t>& shape,
                                        bool binarize, const Team& team);

} // namespace fastfuse
