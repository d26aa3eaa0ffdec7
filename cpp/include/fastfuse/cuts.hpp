// Masks of a consensus, of its raters' votes and of their mean, all cut alike: how far they are the same.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse {

struct CutCounts {
    explicit CutCounts(std::size_t raters = 0) : marked(raters), both(raters) {}
    void add(const CutCounts& other);
    std::int64_t consensus = 0, mean = 0; // voxels of its mask
    std::int64_t mean_and_consensus = 0;
    std::vector<std::int64_t> marked, both; // voxels of each rater's mask, and of these in the consensus's
};

// Where values of the consensus and the votes are at least its level, and their sum in floats, in the order
// of the raters. Arrays of halves or floats. Throws Interrupted.
struct Cuts {
    float consensus, sum;
    std::vector<float> votes; // of each rater
};
CutCounts count_cuts(const View& consensus, const std::vector<View>& raters, const Cuts& cuts,
                     const std::vector<std::int64_t>& shape, const Team& team);

} // namespace fastfuse
