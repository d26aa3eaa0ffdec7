// Masks of a consensus, of its raters' votes and of their mean, all cut alike: how far they are the same.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse {

struct CutCounts {
    explicit CutCounts(std::size_t raters = 0) : seen(raters), marked(raters), both(raters) {}
    void add(const CutCounts& other);
    std::int64_t consensus = 0, mean = 0; // voxels of its mask
    std::int64_t mean_and_consensus = 0;
    std::vector<std::int64_t> seen;         // voxels of the consensus's mask on which each rater votes
    std::vector<std::int64_t> marked, both; // voxels of each rater's mask, and of these in the consensus's
};

// The least values inside the masks. The mean vote is cut as the sum of the votes.
struct Cuts {
    float consensus;
    std::vector<float> votes; // one for each rater
    std::vector<float> sums;  // sums[n]: where n raters vote
};

// Arrays hold halves or floats; a vote that is NaN is missing. The votes are summed in floats, rater after
// rater. Throws Interrupted.
CutCounts count_cuts(const View& consensus, const std::vector<View>& raters, const Cuts& cuts,
                     const std::vector<std::int64_t>& shape, const Team& team);

} // namespace fastfuse
