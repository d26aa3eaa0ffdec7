// Writes the consensus of votes with a prior map, voxel by voxel.
//
//   w = Σ_k q_k π a_k / (π a_k + (1 − π) b_k)     over the terms k of the voxel's row, Σ_k q_k = 1
//
// Eqs. (2), (9), (12).
#pragma once

#include "engines/map/moments.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/agreement.hpp"
#include "votes/tabulation.hpp"

namespace fastfuse::map {

// Returns the range of the voxels that somebody voted on. Row 0 has one term.
Range write(const Votes& votes, const Tabulation& table, const Terms& terms, const Output& to,
            const Team& team);

} // namespace fastfuse::map
