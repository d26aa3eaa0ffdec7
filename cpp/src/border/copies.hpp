// Raters whose votes are the same everywhere.
#pragma once

#include <cstddef>
#include <vector>

#include "fastfuse/threads.hpp"
#include "votes/rows.hpp"

namespace fastfuse::border {

// Of each rater the first one who votes as they do, mostly themself: contours drawn twice never coincide, so
// that copies tell nothing new. Where fewer than three would be left, each stands for themself. `read`:
// voxels on which each rater votes.
std::vector<std::size_t> originals_of(const Rows& rows, const std::vector<double>& read, const Team& team);

} // namespace fastfuse::border
