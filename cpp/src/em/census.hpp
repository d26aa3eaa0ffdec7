// Counts and sums of the votes, before EM.
#pragma once

#include <algorithm>
#include <vector>

#include "fastfuse/errors.hpp"
#include "fastfuse/threads.hpp"
#include "posterior/statistics.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

struct Census {
    explicit Census(int raters = 0)
        : mean_vote(raters), volume(static_cast<std::size_t>(raters)), unmarked(volume.size()),
          read(volume.size()) {}
    void add(const Census& other);

    Sums mean_vote;             // of an E-step whose w is the mean vote
    std::vector<double> volume; // Σ c q_i
    std::vector<double>
        unmarked;             // Σ c (1 − q_i): a difference of large sums would leave no digit of a small one
    std::vector<double> read; // Σ c over the rows where rater i votes
    double prior = 0;         // Σ c π of a prior map
    double disputed = 0;      // voxels where not all votes are 0, nor all 1
    double row_cost = 0; // time of soft-STAPLE's expectation over the rows, each by its cheaper way, in ns
    double terms = 0;    // Σ 2^f over the rows, f the fractional votes of a row: the cost of enumerating them
    int most_fractional = 0;
};

// `splits`: whether the M-step needs expectations split by each rater's mark, as the EM one does.
Census take_census(const Rows& rows, bool splits, const Team& team);

// Throws BadInput of this kind where fewer raters vote anywhere.
void check_voters(const Census& census, int least, BadInput::Kind kind);

} // namespace fastfuse
