// The unit of the levels, and the level of the consensus' border.
#pragma once

#include <optional>
#include <vector>

#include "border/curves.hpp"

namespace fastfuse::border {

// What is fitted, in the unit in which a mean rater's sharpness is 1, with the anchor that votes tell. Of
// raters who are not heard nothing is told.
Border scaled(const Parameters& parameters);

// The anchor that votes tell.
double anchor_of_votes(const Border& border);

// The other way.
Parameters unscaled(const Border& border);

// Sums over voxels whose intensity is known, by level.
struct HeightSums {
    void add(const HeightSums& other);
    Levels height{}; // Σ r h
    Levels square{}; // Σ r h²
    Levels voxels{}; // Σ r
};

// The level at which the intensity is half way between surroundings and core: half maximum. Nothing without
// such a level.
std::optional<double> half_maximum(double scale, const HeightSums& sums);

struct Rates {
    std::vector<double> sensitivity, specificity;
    double prior = 0; // Σ π τ
};

// What raters do with the consensus as truth.
Rates rates_of(const Border& border);

} // namespace fastfuse::border
