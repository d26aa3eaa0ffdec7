// A look at some blocks of the volume, to tell beforehand whether its vote patterns repeat.
#pragma once

#include "fastfuse/votes.hpp"

namespace fastfuse {

struct Sample {
    bool repeats = true; // few patterns, many rows
    double rows = 0;     // runs of voxels with the same votes, in the blocks that were looked at whole
    double terms = 0;    // Σ 2^f over the rows, f the fractional votes of a row
};

Sample take_sample(const Votes& votes);

} // namespace fastfuse
