// Sums over all soft votes, and what EM takes from the votes alone before its first iteration.
#pragma once

#include <vector>

#include "fastfuse/soft_labels.hpp"
#include "fastfuse/threads.hpp"
#include "labels/matrices.hpp"
#include "labels/soft/step.hpp"

namespace fastfuse {

// One read of the votes: w of each row, and its sums.
SoftSums soft_sums(const SoftVotes& votes, const SoftOptions& options, const Matrices& theta,
                   const std::vector<double>& prior, SoftTruth truth, SoftCounts counts, const Team& team);

// ITK's first rates: p(truth a | vote b) of the voxels where one label has most votes.
Matrices rates_of_untied(const SoftVotes& votes, const SoftOptions& options,
                         const std::vector<double>& shares, const Team& team);

// As those of label maps: the rows of labels that raters do not know, NaN elsewhere.
Matrices unknown_rows(const SoftVotes& votes, const SoftOptions& options, const std::vector<double>& shares,
                      const Team& team);

// Whether every vote is for one label alone.
bool are_certain(const SoftVotes& votes);

} // namespace fastfuse
