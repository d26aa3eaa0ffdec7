// Which way to soft-STAPLE's expectation is cheaper, estimated before it is taken.
#pragma once

#include <cstdint>

#include "fastfuse/fusion.hpp"

namespace fastfuse {

// Whether one table of 2^m masses for all rows is cheaper than an expectation for each row in every
// iteration. `terms`: Σ 2^f over the rows; `row_cost`: of one E-step over them, in nanoseconds.
bool pays_masses(const Options& options, int raters, double terms, double row_cost);

// Whether masses gathered in lanes, all 2^m terms of a voxel, are cheaper. `fractional`: fractional votes of
// a voxel, on average.
bool pays_lanes(const Options& options, int raters, std::int64_t voxels, double fractional);

} // namespace fastfuse
