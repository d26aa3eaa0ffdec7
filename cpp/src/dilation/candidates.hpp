// The voxels that a binary dilation adds to a mask.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dilation/field.hpp"

namespace fastfuse {

// Each candidate is noted as waiting, with the nearest lesion; of two equally near ones, that with the lower
// number. `marked` holds the mask's voxels sorted by lesion. The candidates are sorted by distance.
std::vector<std::int64_t> dilate_by_cross(const std::vector<std::int64_t>& marked, int iterations,
                                          const Field& field, const Worker& worker);
std::vector<std::int64_t> dilate_by_ball(const std::vector<std::int64_t>& marked, const Ball& ball,
                                         const Grid& grid, const Field& field, const Worker& worker);

} // namespace fastfuse
