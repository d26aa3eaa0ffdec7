// How the posterior of a row comes about.
#pragma once

namespace fastfuse {

enum class Model {
    mean_vote,      // w = Σ_i q_i / m: no performance needed
    product,        // eqs. (2), (12), (13)
    log_linear,     // the same with the log-odds weighted by the vote
    enumerated,     // the expectation over the row's binary patterns, eq. (9), term by term
    characteristic, // the same by its characteristic function, wherever a vote is fractional
    cheaper,        // by whichever of the two costs less in this row
};

} // namespace fastfuse
