// The fit of raters and levels to rows.
#pragma once

#include <vector>

#include "border/anchor.hpp"
#include "border/expectation.hpp"

namespace fastfuse::border {

struct Stop {
    double tol = 1e-4; // no consensus moves by more
    int max_iter = 120;
};

struct Fit {
    Border border;
    std::vector<double> log_likelihood; // after each M-step
    bool converged = false;
};

// `read`: voxels on which each rater votes, at least three of them somewhere.
Fit fit(const Rows& rows, const std::vector<double>& read, const Stop& stop, const Team& team);

} // namespace fastfuse::border
