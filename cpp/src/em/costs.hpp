// Estimates which way to compute soft-STAPLE's expectation is cheaper.
#pragma once

#include <cstdint>

#include "fastfuse/fusion.hpp"

namespace fastfuse {

// Whether one table of 2^m masses for all rows is cheaper than an expectation for each row in every
// iteration. `terms`: Σ 2^f over the rows. `row_cost`: time of one E-step over the rows, in nanoseconds.
bool pays_masses(const Options& options, int raters, double terms, double row_cost);

// Whether masses gathered in lanes, with all 2^m terms of every voxel, are cheaper. `fractional`: average
// number of fractional votes at a voxel.
bool pays_lanes(const Options& options, int raters, std::int64_t voxels, double fractional);

} // namespace fastfuse
