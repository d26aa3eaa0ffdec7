// Information and variability of votes that do not repeat, gathered a tile at a time: see em/information.hpp.
#pragma once

#include <vector>

#include "em/information.hpp"
#include "em/masses.hpp"
#include "engines/lanes/tile_walk.hpp"

namespace fastfuse {

constexpr int most_observed_raters = most_mass_raters; // each job holds a square matrix

// V of soft-STAPLE. `masses`: of the patterns; their posterior at `performance` is found here.
template <class T>
std::vector<double> variability_of(TileWalk<T>& walk, const Masses& masses, const Performance& performance,
                                   bool with_prior);

// Both of eq. (10)'s mixture, where no product over the raters underflows in a lane.
template <class T>
Observed observe_votes(TileWalk<T>& walk, const Performance& performance, const Options& options);

} // namespace fastfuse
