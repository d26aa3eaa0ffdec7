// Reads votes a block at a time. Nothing else is copied.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "support/raw_vector.hpp"
#include "votes/layout/runs.hpp"

namespace fastfuse {

constexpr std::int64_t block_voxels = 4096; // voxels read, and summed, at a time
constexpr std::int64_t group_voxels = 64;   // voxels skipped at a time where all votes are 0
static_assert(block_voxels / group_voxels == 64, "a block's groups are the bits of a word");

// Greatest number of rows of a block, with padding so that the columns lie in different cache sets.
constexpr std::int64_t block_rows = block_voxels + 8;

std::int64_t block_count(const Votes& votes);

// Whether the work is so small that starting a team takes longer.
bool is_small(std::int64_t rows, int raters);

// A team of `threads` threads; of one thread for a small volume.
Team team_for(const Votes& votes, int threads, const ShouldStop& ask);

// One block as weighted rows. Row 0 stands for all its voxels whose votes are 0 (unless there is a prior
// map), each other row for a run of voxels with the same votes. Vote i of row r is vote[i * block_rows + r].
// A row on which every vote is missing has count 0.
// Scratch of one thread.
struct Block {
    explicit Block(const Votes& votes);

    std::int64_t first = 0;  // index of its first voxel
    std::int64_t voxels = 0; // number of voxels
    std::int64_t rows = 0;
    RawVector<double> vote;
    std::vector<double> count;                    // voxels in each row
    std::vector<double> prior;                    // of each row; empty without a prior map
    std::array<std::int32_t, block_voxels> row{}; // of each voxel of all other groups; -1 outside the mask
    std::uint64_t zero_groups = 0;                // bit g: all voxels of group g are of row 0
    std::uint64_t outside_groups = 0;             // bit g: all voxels of group g are outside the mask

    // The row of any voxel; -1 outside the mask.
    std::int32_t row_of(std::int64_t voxel) const {
        if (outside_groups >> (voxel / group_voxels) & 1) return -1;
        return zero_groups >> (voxel / group_voxels) & 1 ? 0 : row[static_cast<std::size_t>(voxel)];
    }

    // Scratch of the reader.
    std::vector<NativeRuns> raters;
    std::vector<std::optional<NativeRuns>>
        present; // none where a rater saw all voxels; empty where all raters did
    std::optional<NativeRuns> mask, prior_map;
    std::array<std::uint8_t, block_voxels> inside{};          // 1 inside the mask, else 0
    std::vector<std::array<std::uint8_t, block_voxels>> seen; // by each rater of `present`: 1, else 0
    std::vector<double> group; // votes of one group: vote i of its voxel k at i * group_voxels + k
};

// Groups of a block in which a rater may vote, as bits.
using VotedGroups = std::uint64_t;

// Finds the voted groups of several blocks at once: long runs of memory are read faster. Returns nullopt
// where an array is not in native layout, or where a prior map makes every group count.
std::optional<std::vector<VotedGroups>> find_voted_groups(const Votes& votes, std::int64_t first_block,
                                                          std::int64_t blocks);

// Reads, checks and converts block number `index`. Throws BadInput for the first bad voxel of the block.
void read_block(const Votes& votes, std::int64_t index, Block& block, const VotedGroups* voted = nullptr);

} // namespace fastfuse
