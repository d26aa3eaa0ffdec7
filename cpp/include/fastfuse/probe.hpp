// A look at some blocks of the votes, before the first pass.
#pragma once

#include "fastfuse/fusion.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

struct Probe {
    bool repeats = true; // few patterns, many rows
    double voxels = 0;   // in the blocks that were read whole
    double rows = 0;     // runs of voxels with the same votes, in the blocks that were read whole
    double terms = 0;    // Σ 2^f over the rows, f the fractional votes of a row
};

// The defaults where the options leave no choice. Throws Interrupted.
Probe probe(const Votes& votes, const Options& options, Watch& watch);

} // namespace fastfuse
