// The pass that fills a table of patterns: what has no place there is left to lone voxels, and which patterns
// have one does not depend on the threads.
//
// The first patterns have a place, in the order of the voxels. While the table has room, threads may enter
// patterns in any order. The part of the volume in which it runs full is read again, by one thread from its
// first voxel on; after it no pattern is added.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "fastfuse/threads.hpp"
#include "support/runs.hpp"
#include "votes/key_table.hpp"

namespace fastfuse {

// Counts the lone rows; throws Full where they are more than may be.
class LoneCount {
  public:
    explicit LoneCount(std::int64_t most) : most_(most) {}
    // Until then no row may be lone: the table still fills, on several threads.
    void may_be_lone(bool may) { may_be_lone_ = may; }
    void add() {
        if (!may_be_lone_ || ++rows_ > most_) throw Full();
    }

  private:
    const std::int64_t most_;
    bool may_be_lone_ = false;
    std::atomic<std::int64_t> rows_{0};
};

// Calls `find(first, end, worker)` for runs of blocks, which enters their patterns, and asks `lone` where the
// table has no place for one. `first_id`: of the table's first key among the counts.
template <class Table, class Find>
void fill_table(std::int64_t blocks, const Team& team, Table& table, IdCounts& counts, std::uint32_t first_id,
                LoneCount& lone, bool may_leave, const Find& find) {
    constexpr std::int64_t parts = 8;
    const std::int64_t part =
        may_leave && team.size() > 1 ? std::max<std::int64_t>(16, blocks / parts) : blocks;
    const auto run = [&](std::int64_t begin, std::int64_t end, int most_threads) {
        const auto shifted = [&](std::int64_t first, std::int64_t last, const Worker& worker) {
            find(begin + first, begin + last, worker);
        };
        in_runs(end - begin, team, shifted, 16, most_threads);
    };
    for (std::int64_t begin = 0, end; begin < blocks; begin = end) {
        const bool is_full = table.size() == table.capacity();
        end = is_full ? blocks : std::min(begin + part, blocks);
        const bool no_other_adds = is_full || team.size() == 1;
        lone.may_be_lone(may_leave && no_other_adds);
        if (!may_leave || no_other_adds) {
            run(begin, end, INT_MAX);
            continue;
        }
        const std::int64_t size = table.size();
        const auto totals = counts.totals(static_cast<std::size_t>(size) + first_id);
        try {
            run(begin, end, INT_MAX);
        } catch (const Full&) {
            table.truncate(size);
            counts.go_back_to(totals);
            lone.may_be_lone(true);
            run(begin, end, 1);
        }
    }
}

} // namespace fastfuse
