// STAPLE with three latent classes from votes to consensus.
#pragma once

#include <vector>

#include "engines/rows.hpp"

namespace fastfuse::classes {

// `known`: the estimate to apply; null: fit one. Throws BadInput, Interrupted.
Result solve(const Task& task, RowsEngine& engine, const Estimate* known);

// The fit of a table with other counts.
Estimate fit_again(const VoteTable& table, const std::vector<double>& counts, const Options& options,
                   const ShouldStop& ask);

} // namespace fastfuse::classes
