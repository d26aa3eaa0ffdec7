// A Euclidean ball on the grid of voxels.
#pragma once

#include "dilation/field.hpp"

namespace fastfuse {

// Squared distance. Its terms are added in the order of their size, so that the order of axes does not
// matter.
double squared_mm(const Coordinates& step, const std::array<double, 3>& spacing_mm);

// Squared radius, enlarged by one part in a million: headers hold spacings in single precision.
double squared_radius_mm(const Ball& ball);

// The ball's radius along each axis in voxels, at most the volume's extent.
Coordinates reach_of(const Ball& ball, const std::array<std::int64_t, 3>& extent);

} // namespace fastfuse
