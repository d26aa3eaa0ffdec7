// A vote table: the distinct vote patterns of one or more volumes, each with its number of voxels.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/threads.hpp"

namespace fastfuse {

// Rows in lexicographic order of the votes, a missing vote first; row 0, without any vote, always leads.
class VoteTable {
  public:
    VoteTable() = default;
    // Vote i of row r is votes[i * size + r]; a missing one is missing_vote. The rows must be in order.
    VoteTable(int raters, std::vector<double> votes, std::vector<double> counts);

    // Sorts rows in any order and adds up the counts of equal ones. Throws Interrupted, as do those below.
    static VoteTable in_order(const VoteTable& rows, Watch& watch);

    int raters() const { return raters_; }
    std::int64_t size() const { return static_cast<std::int64_t>(counts_.size()); }
    const std::vector<double>& votes() const { return votes_; }
    const std::vector<double>& counts() const { return counts_; }
    const double* votes_of(int rater) const { return votes_.data() + rater * size(); }
    bool may_miss() const { return may_miss_; } // some vote is missing

    // The patterns of both, counts added. Both have the same raters.
    VoteTable add(const VoteTable& other, Watch& watch) const;
    // The table of the other raters.
    VoteTable drop(int rater, Watch& watch) const;

    friend bool operator==(const VoteTable& a, const VoteTable& b);

  private:
    int raters_ = 0;
    std::vector<double> votes_, counts_;
    bool may_miss_ = false;
};

} // namespace fastfuse
