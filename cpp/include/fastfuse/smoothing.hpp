// Smoothing of a volume along one axis, by a symmetric kernel.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/threads.hpp"

namespace fastfuse {

// A volume of floats as lines along one axis: `outer` slabs of `length` rows of `inner` neighbouring voxels.
struct Lines {
    std::int64_t outer, length, inner;
};

// to[o, i, k] = Σ_d weight[|d|] from[o, i + d, k], with 0 beyond the ends. `weight` begins with that of d =
// 0. Sums are in double precision: the voxel itself, then its neighbours from the farthest to the nearest.
// `to` may be `from`. The same bits for every team. Throws Interrupted.
void smooth_lines(const float* from, const Lines& lines, const std::vector<double>& weight, float* to,
                  const Team& team);

} // namespace fastfuse
