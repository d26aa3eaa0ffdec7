// The lesions of a mask: its 26-connected components.
#pragma once

#include <cstdint>
#include <vector>

#include "dilation/field.hpp"

namespace fastfuse {

// Notes the lesion of every marked voxel and sorts `marked` by lesion. Lesions are numbered from 1 in the
// order of their first voxels. Returns the size of each.
std::vector<std::int64_t> note_lesions(std::vector<std::int64_t>& marked, const Field& field,
                                       const Worker& worker);

} // namespace fastfuse
