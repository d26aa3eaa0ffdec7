// Votes as the kernels take them, and what is wrong with one that they stumbled on.
#pragma once

#include "cuda/kernels.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse::cuda {

Columns columns_of(const Votes& votes);

// The vote at voxel · raters + rater, as the kernels number them.
double vote_at(const Columns& columns, Count number, const Place& place);

// Throws BadInput if the mask, or the vote, may not be what it is.
void refuse(const Columns& columns, const Strays& strays, Check check, const Place& place);

} // namespace fastfuse::cuda
