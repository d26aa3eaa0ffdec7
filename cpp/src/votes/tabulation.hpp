// One read of a volume: its distinct vote patterns, each with its number of voxels, and an index from voxels
// to them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/vote_table.hpp"
#include "fastfuse/votes.hpp"
#include "votes/pattern_index.hpp"

namespace fastfuse {

struct Tabulation {
    VoteTable table;
    std::vector<double> priors; // of each row, where a prior map tells patterns apart; else empty
    std::unique_ptr<PatternIndex> index;
};

// Nothing if there are more than `capacity` distinct patterns. The voxels' notes go to `notes`; without it
// there is no index.
std::optional<Tabulation> find_patterns(const Votes& votes, const Output* notes, std::int64_t capacity,
                                        const Team& team);

// Distinct patterns that fit into 4 bytes a voxel, or a quarter of a byte a voxel for each rater.
std::int64_t default_capacity(const Votes& votes);

// The same, with room for small volumes: what a table that is asked for may hold.
std::int64_t table_capacity(const Votes& votes);

} // namespace fastfuse
