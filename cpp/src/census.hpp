// What is known of the votes before any EM.
#pragma once

#include <algorithm>
#include <vector>

#include "fastfuse/parallel.hpp"
#include "fastfuse/rows.hpp"
#include "fastfuse/sums.hpp"

namespace fastfuse {

struct Census {
    explicit Census(int raters = 0) : mean_vote(raters), volume(static_cast<std::size_t>(raters)) {}
    void add(const Census& other);

    Sums mean_vote;             // of an E-step whose w is the mean vote
    std::vector<double> volume; // Σ c q_i
    double prior = 0;           // Σ c π of a prior map
    double disputed = 0;        // voxels where not all votes are 0, nor all 1
    double terms = 0; // Σ 2^f over the rows, f the fractional votes of a row: the cost of enumerating them
    int most_fractional = 0;
};

Census take_census(const Rows& rows, const Team& team);

// The least and the greatest of some probabilities.
struct Range {
    double lowest = 1, highest = 0;
    void include(double probability) {
        lowest = std::min(lowest, probability);
        highest = std::max(highest, probability);
    }
    void include(const Range& other) {
        lowest = std::min(lowest, other.lowest);
        highest = std::max(highest, other.highest);
    }
};

} // namespace fastfuse
