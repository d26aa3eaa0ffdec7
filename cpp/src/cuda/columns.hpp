// Votes as the kernels take them, and errors for invalid ones.
#pragma once

#include "cuda/kernels.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse::cuda {

Columns columns_of(const Votes& votes);

// The vote at place voxel · raters + rater, as in Strays.
double vote_at(const Columns& columns, Count number, const Place& place);

// Throws BadInput if the kernels found an invalid element of the mask, or an invalid vote.
void refuse(const Columns& columns, const Strays& strays, Check check, const Place& place);

} // namespace fastfuse::cuda
