// Distinct vote patterns of a volume, with their numbers of voxels and an index from voxels to patterns, from
// one read of the volume.
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
    std::vector<double> priors; // of each row; empty without a prior map
    std::unique_ptr<PatternIndex> index;
    std::vector<std::int64_t> lone; // blocks with voxels whose patterns have no row
};

// The table of at most `capacity` patterns. Voxels of other patterns stay alone, see lone/rows.hpp; returns
// nullopt if they make more than `most_lone` rows. Writes the voxels' notes to `notes`; null: without an
// index, and without lone voxels.
std::optional<Tabulation> find_patterns(const Votes& votes, const Output* notes, std::int64_t capacity,
                                        const Team& team, std::int64_t most_lone = 0);

std::vector<std::int64_t> blocks_with_lone(const std::vector<UniformGroups>& groups);

// Table capacity: distinct patterns that fit into 4 bytes a voxel, or a quarter of a byte a voxel and rater.
std::int64_t default_capacity(const Votes& votes);

// Table capacity where the caller asks for a table: larger for small volumes.
std::int64_t table_capacity(const Votes& votes);

} // namespace fastfuse
