// The lesions of a mask: its 26-connected components.
#pragma once

#include <cstdint>
#include <vector>

#include "dilation/field.hpp"

namespace fastfuse {

// Notes every marked voxel as mask of its lesion, all of lesion 1 unless `separate`, and sorts `marked` by
// lesion. Lesions are numbered in the order of their first voxels. Returns the voxels of each, lesion 1
// first.
std::vector<std::int64_t> note_lesions(std::vector<std::int64_t>& marked, const Field& field, bool separate,
                                       const Worker& worker);

} // namespace fastfuse
