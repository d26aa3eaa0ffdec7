// The first pass over voxels on which not all raters vote: checks them, and gathers what EM starts from.
#pragma once

#include <map>
#include <vector>

#include "engines/lanes/survey.hpp"
#include "engines/passes.hpp"

namespace fastfuse {

struct PartialFindings {
    explicit PartialFindings(int raters = 0) : findings(raters) {}
    void add(const PartialFindings& other);

    Findings findings; // with the sums of an E-step whose w is the mean vote
    // Of each set of voters N(B) and M_i(B), in the layout of Masses; empty if they are not gathered.
    std::map<Voters, std::vector<double>> masses;
};

// Throws BadInput, or TooManySets: the same for every team.
template <class T> PartialFindings survey_partial(TileWalk<T>& walk, Gather gather);

} // namespace fastfuse
