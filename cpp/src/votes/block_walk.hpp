// Reads a volume block by block, as rows, and finds the voxels of each row.
#pragma once

#include <climits>
#include <cstdint>
#include <utility>

#include "support/sum_over_jobs.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// Sum of what `make()(batch, block, worker)` returns for every block. Each thread calls `make` once. `total`
// is empty at the start.
template <class Total, class Make>
Total sum_over_blocks(const Votes& votes, const Team& team, const Total& total, const Make& make,
                      int most_threads = INT_MAX) {
    const auto make_share = [&] {
        return
            [&votes, block = Block(votes), answer = make()](std::int64_t job, const Worker& worker) mutable {
                read_block(votes, job, block);
                return answer(batch_of(votes, block), block, worker);
            };
    };
    return sum_over_jobs(block_count(votes), team, total, make_share, most_threads);
}

// Calls `visit(voxel, row)` for each voxel of a block; row -1: outside the mask.
template <class Visit> void each_voxel_of(const Block& block, const Visit& visit) {
    for (std::int64_t k = 0; k < block.voxels; ++k)
        visit(block.first + k, block.row_of(k));
}

} // namespace fastfuse
