// The labels that may be true in each row of a table, before and during EM.
#pragma once

#include <vector>

#include "fastfuse/labels.hpp"
#include "labels/matrices.hpp"

namespace fastfuse {

// w of each row before there are rates: 1/ties on the most voted labels, or the share of the votes;
// `weights`: of each rater's vote, empty: all alike. Nothing in a row without votes.
RowTruths first_guess(const LabelTable& table, LabelStart start, const std::vector<double>& weights,
                      Watch& watch);

// The labels that may be true, without weights. In a row without votes all may. `support`: a label whose rate
// is 0 for the vote of any rater never can, for EM keeps zeros; null where EM may leave them.
RowTruths candidates_of(const LabelTable& table, Candidates candidates, const Matrices* support,
                        Watch& watch);

} // namespace fastfuse
