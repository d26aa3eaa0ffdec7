// Raters' votes as the caller holds them: pointers, types and strides.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/border.hpp"
#include "fastfuse/errors.hpp"
#include "fastfuse/place.hpp"

namespace fastfuse {

enum class Check {
    unit,   // votes in [0, 1]
    binary, // votes 0 and 1 only
};

// What a vote that is NaN means.
enum class Missing {
    error,
    nan, // no vote: the rater did not look
};

// Of a rater who says nothing on a voxel; -2^-100, which nobody votes.
constexpr double missing_vote = -7.888609052210118e-31;
inline bool is_missing(double vote) { return vote < 0; }

constexpr double label_tolerance = 1e-4; // a header's scaling turns a label 3 into 2.9999999

// m raters' votes on one grid, voxels in C order of `shape`.
struct Votes {
    std::vector<std::int64_t> shape;
    std::vector<View> raters;
    std::vector<std::optional<View>>
        present;                // one per rater: 1 where they looked, else 0; empty: all looked everywhere
    std::optional<View> mask;   // 0 or 1; outside it nothing counts and nothing is checked
    std::optional<View> prior;  // p(truth 1) per voxel, in (0, 1)
    Heights heights;            // of an image, for border-STAPLE; empty without one
    std::optional<Place> place; // device in whose memory all arrays lie, contiguous; else this machine's

    // How the values are read.
    Check check = Check::unit;
    Missing missing = Missing::error;
    std::optional<double> select_label; // a vote is 1 where the rater's value, rounded, is this label

    std::int64_t voxels() const;
    int size() const { return static_cast<int>(raters.size()); }
    bool may_miss() const { return missing == Missing::nan || !present.empty(); }
    // Of a vote pattern: votes and, with a map, its prior.
    int columns() const { return size() + (prior ? 1 : 0); }
};

} // namespace fastfuse
