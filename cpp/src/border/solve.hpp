// border-STAPLE from votes to consensus.
#pragma once

#include <vector>

#include "engine.hpp"
#include "engines/rows.hpp"

namespace fastfuse::border {

// `known`: the estimate to apply; null: fit one. Throws BadInput, Interrupted.
Result solve(const Task& task, RowsEngine& engine, const Estimate* known);

// The fit of a table with other counts. An anchor that an image told stays as far from that of the votes.
Estimate fit_again(const VoteTable& table, const std::vector<double>& counts, const Options& options,
                   const Estimate& start, const ShouldStop& ask);

} // namespace fastfuse::border
