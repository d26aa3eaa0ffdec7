// The first pass over voxels on which not all raters vote: checks them, and gathers what EM starts from.
#pragma once

#include <map>
#include <vector>

#include "engines/lanes/survey.hpp"

namespace fastfuse {

// N(B) and M_i(B) of the voxels on which the same raters vote, in the layout of Masses.
using MassesByVoters = std::map<Voters, std::vector<double>>;

// With the sums of an E-step whose w is the mean vote. Throws BadInput.
template <class T> Findings survey_partial(TileWalk<T>& walk);

// The same, with the masses.
template <class T>
std::pair<Findings, MassesByVoters> survey_partial_masses(TileWalk<T>& walk, bool with_moments);

} // namespace fastfuse
