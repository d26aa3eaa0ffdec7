// Votes of which some may be missing, and none is.
#pragma once

#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

// The same votes without what marks missing ones, where it marks none: kernels without them are faster.
Votes without_needless_marks(const Votes& votes, const Team& team);

} // namespace fastfuse
