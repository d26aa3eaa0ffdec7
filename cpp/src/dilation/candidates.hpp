// The voxels that a binary dilation adds to a mask.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dilation/field.hpp"

namespace fastfuse {

// Each belongs to the nearest lesion, of two as near to the one with the lower number, and is noted as
// waiting. `marked` holds the mask's voxels by lesion; the candidates come out by distance, not by lesion.
std::vector<std::int64_t> dilate_by_cross(const std::vector<std::int64_t>& marked, int iterations,
                                          const Field& field, const Worker& worker);
std::vector<std::int64_t> dilate_by_ball(const std::vector<std::int64_t>& marked, const Ball& ball,
                                         const Grid& grid, const Field& field, const Worker& worker);

} // namespace fastfuse
