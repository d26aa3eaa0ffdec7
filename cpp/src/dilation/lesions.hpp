// The lesions of a mask: its 26-connected components.
#pragma once

#include <cstdint>
#include <vector>

#include "dilation/field.hpp"

namespace fastfuse {

// Notes the lesion of every marked voxel and sorts `marked` by lesion. Lesions are numbered from 1 in the
// order of their first voxels; unless `separate`, all voxels belong to lesion 1. Returns the size of each
// lesion.
std::vector<std::int64_t> note_lesions(std::vector<std::int64_t>& marked, const Field& field, bool separate,
                                       const Worker& worker);

} // namespace fastfuse
