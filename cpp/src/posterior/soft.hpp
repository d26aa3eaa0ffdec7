// soft-STAPLE's expectation, eq. (9), of each row by the way that suits it.
#pragma once

#include "posterior/characteristic.hpp"
#include "posterior/enumeration.hpp"
#include "posterior/model.hpp"
#include "posterior/product.hpp"
#include "posterior/statistics.hpp"

namespace fastfuse {

// w, 1 − w and Σ_B q(B) log p(B) of each row. With `sums`, also what the EM M-step needs, Σ c E[b_i p(1|B)]
// and its three companions, added to them. `model` is one of its last three; where all is enumerated, `nodes`
// may be null.
void soft_posterior(const Batch& batch, const Performance& performance, Model model, const Nodes* nodes,
                    Posterior& posterior, Sums* sums, const Worker& worker);

// Nanoseconds or so that a row with so many fractional votes takes.
double enumeration_cost(int fractional);
double characteristic_cost(int fractional, bool with_sums);

} // namespace fastfuse
