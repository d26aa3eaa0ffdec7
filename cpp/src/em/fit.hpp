// Which model, and which way to it, suits the votes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "posterior/model.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// The model that rows go through one by one.
Model model_of(const Options& options);

// Whether one table of 2^m masses for all rows is cheaper than each row's own expectation anew in every
// iteration. `terms`: Σ 2^f over the rows; `row_cost`: of one E-step over them, in nanoseconds.
bool pays_masses(const Options& options, int raters, double terms, double row_cost);

// The same of masses gathered in lanes, all 2^m terms of a voxel; `fractional`: votes of a voxel, on average.
bool pays_lanes(const Options& options, const Votes& votes, double fractional);

} // namespace fastfuse
