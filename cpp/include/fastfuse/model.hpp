// How the posterior of a row is found.
#pragma once

namespace fastfuse {

enum class Model {
    mean_vote,      // w = Σ_i q_i / m: no performance needed
    product,        // eqs. (2), (12), (13)
    log_linear,     // log-odds weighted by the vote
    enumerated,     // the expectation over the row's binary patterns, eq. (9), term by term
    characteristic, // the expectation by its characteristic function, where a vote is fractional
    cheaper,        // enumerated or characteristic, whichever costs less in a row
};

} // namespace fastfuse
