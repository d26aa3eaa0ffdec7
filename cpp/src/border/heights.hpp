// An image's intensities: where half maximum lies, and what they tell of a voxel's level.
#pragma once

#include "border/anchor.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/agreement.hpp"

namespace fastfuse::border {

// Of the heights that the votes bring, by level. Voxels outside the mask count as unmarked.
HeightSums sum_heights(const Votes& votes, const Border& border, const Team& team);

// Writes the consensus of voxels whose intensity is known, with the intensity as evidence beside the votes.
// `written`: sums of the consensus by votes alone, in place of which come those of this one.
void write_with_evidence(const Votes& votes, const Border& border, const Output& to, const Team& team,
                         Written& written);

} // namespace fastfuse::border
