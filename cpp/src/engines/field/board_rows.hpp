// The rows that voxels of the board have: numbers below `plain` are those of rows with one term.
//
// Of soft-STAPLE a row of votes is a mixture of binary patterns B with weights q(B), eq. (8), and a voxel's
//
//   w_t = Σ_B q(B) σ(l_t + S_B),      log-likelihood Σ_B q(B) log p(B | π'_t)
//
// Rows without fractional votes are one pattern; the others, and those alone, have terms. Of the other
// methods each row is its own only term.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/threads.hpp"
#include "fastfuse/vote_table.hpp"

namespace fastfuse {

struct BoardRows {
    // Rows as they are.
    static BoardRows of(const VoteTable& table);
    // Nullopt where there are too many terms.
    static std::optional<BoardRows> of_patterns(const VoteTable& table, Watch& watch);

    std::int32_t plain_rows() const { return static_cast<std::int32_t>(plain.size()); }
    std::int32_t size() const { return plain_rows() + static_cast<std::int32_t>(mixed.size()); }

    VoteTable plain, mixed;
    std::vector<std::int32_t> number; // number[r]: what row r of the table is on the board
    // Terms of mixed row r: begin[r] … begin[r + 1] − 1
    std::vector<std::size_t> begin{0};
    std::vector<std::int32_t> pattern; // a row of `plain`
    std::vector<double> weight;        // q(B)
};

} // namespace fastfuse
