// A look at some blocks of the volume, to tell beforehand whether its vote patterns repeat.
#pragma once

#include "fastfuse/votes.hpp"

namespace fastfuse {

struct Sample {
    bool repeats = true; // few patterns, many voxels
    double rows = 0;     // voxels looked at that have votes
    double terms = 0;    // Σ 2^f over them, f the fractional votes of a voxel
};

Sample take_sample(const Votes& votes);

} // namespace fastfuse
