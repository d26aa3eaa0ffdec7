// The order of the labels that may be true at a voxel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "fastfuse/labels.hpp"

namespace fastfuse {

struct Candidate {
    Code code;
    double weight;
};

// Puts the most probable label first, and so on for so many places; of tied ones the largest first.
inline void rank(std::vector<Candidate>& row, std::size_t places) {
    for (std::size_t place = 0; place < std::min(places, row.size()); ++place) {
        double most = 0;
        for (std::size_t k = place; k < row.size(); ++k)
            most = std::max(most, row[k].weight);
        std::size_t best = place;
        for (std::size_t k = place; k < row.size(); ++k)
            if (row[k].weight >= most - tied_within &&
                (row[best].weight < most - tied_within || row[k].code > row[best].code))
                best = k;
        std::swap(row[place], row[best]);
    }
}

// Whether no label is the most probable one. The candidates are in order; all weights are 0 where the rates
// call the votes impossible.
inline bool tied(const std::vector<Candidate>& row) {
    return row[0].weight == 0 || (row.size() > 1 && row[1].weight >= row[0].weight - tied_within);
}

} // namespace fastfuse
