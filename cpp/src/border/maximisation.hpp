// The M-step.
#pragma once

#include <vector>

#include "border/expectation.hpp"

namespace fastfuse::border {

// Raters who are not heard stay as they are. `read`: voxels on which each rater votes.
void maximise(const Sums& sums, const std::vector<double>& read, Parameters& parameters);

} // namespace fastfuse::border
