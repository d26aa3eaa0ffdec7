// soft-STAPLE's expectation, eq. (9), of each row by the way that suits it.
#pragma once

#include "fastfuse/characteristic.hpp"
#include "fastfuse/enumerate.hpp"
#include "fastfuse/posterior.hpp"
#include "fastfuse/sums.hpp"

namespace fastfuse {

enum class Way {
    enumerate,      // all 2^f terms
    characteristic, // the integral, wherever a vote is fractional
    cheaper,        // whichever costs less in this row
};

// w, 1 − w and Σ_B q(B) log p(B) of each row. With `sums`, also what the EM M-step needs, Σ c E[b_i p(1|B)]
// and its three companions, added to them. `nodes` may be null where all is enumerated.
void soft_posterior(const Batch& batch, const Performance& performance, Way way, const Nodes* nodes,
                    Posterior& posterior, Sums* sums, const Worker& worker);

// Nanoseconds or so that a row with so many fractional votes takes.
double enumeration_cost(int fractional);
double characteristic_cost(int fractional, bool with_sums);

} // namespace fastfuse
