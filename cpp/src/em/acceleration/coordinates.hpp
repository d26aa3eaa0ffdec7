// The parameters of EM as a list, for what moves all of them at once.
#pragma once

#include <vector>

#include "fastfuse/fusion.hpp"

namespace fastfuse {

// A rate and its complement, computed apart to keep the digits of both.
struct Coordinate {
    double rate, complement;
};

// Sensitivity and specificity of every rater, and the prior where it is estimated.
std::vector<Coordinate> coordinates_of(const Performance& theta, bool with_prior);

// Replaces these parameters. Each rate is divided by its sum with the complement, and stays in [ε, 1 − ε].
Performance with_coordinates(const Performance& theta, const std::vector<Coordinate>& to);

} // namespace fastfuse
