// Sums of an E-step, and of the consensus, whose w are known as sums over each row's voxels.
#pragma once

#include <vector>

#include "fastfuse/fusion.hpp"
#include "fastfuse/model.hpp"
#include "fastfuse/vote_table.hpp"
#include "posterior/statistics.hpp"
#include "votes/agreement.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// S = Σ_i log a_i1 − log a_i0 and Σ_i log a_i0 of each row, then those of one more row: zeros, for voxels
// outside the table.
struct RowLogOdds {
    std::vector<double> log_odds, log_zero;
};
RowLogOdds log_odds_of(const VoteTable& table, Model model, const Performance& theta);

// The same of the 2^m binary patterns, where bit i is the vote of rater i.
RowLogOdds log_odds_of_patterns(const Performance& theta);

// The sums, without count and likelihood, from Σ w and Σ (1 − w) of each row. Rows on which all votes are
// missing do not count.
Sums weighted_rows(const TableRows& rows, Model model, MStep m_step, const Performance& theta,
                   const std::vector<double>& w, const std::vector<double>& u);

// The same of the consensus that was written.
Written written_rows(const VoteTable& table, const std::vector<double>& w, const std::vector<double>& u,
                     const Range& range);

} // namespace fastfuse
