// soft-STAPLE's expectation, eq. (9), by the model's way: enumeration, or the characteristic function.
#pragma once

#include "posterior/characteristic.hpp"
#include "posterior/enumeration.hpp"
#include "posterior/model.hpp"
#include "posterior/product.hpp"
#include "posterior/statistics.hpp"

namespace fastfuse {

// w, 1 − w and Σ_B q(B) log p(B) of each row. With `sums`, also adds the four counts that the EM M-step
// needs, such as Σ c E[b_i p(1|B)]. `model`: enumerated, characteristic or cheaper. `nodes` may be null if
// `model` is enumerated.
void soft_posterior(const Batch& batch, const Performance& performance, Model model, const Nodes* nodes,
                    Posterior& posterior, Sums* sums, const Worker& worker);

// Approximate time of a row with `fractional` fractional votes, in nanoseconds.
double enumeration_cost(int fractional);
double characteristic_cost(int fractional, bool with_sums);

} // namespace fastfuse
