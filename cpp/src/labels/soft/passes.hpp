// One read of all soft votes.
#pragma once

#include <cstdint>
#include <utility>

#include "fastfuse/threads.hpp"
#include "labels/soft/rows.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {

// Adds up what `look(rows, part, worker)` adds to `part` for each block; each thread has its own `make()`.
// Blocks are dealt to at most 64 jobs, whatever the team: the sum has the same bits.
template <class Part, class Make>
Part sum_over_rows(const SoftVotes& votes, const Team& team, const Make& make) {
    const std::int64_t blocks = soft_blocks(votes);
    return sum_over_jobs(soft_jobs(blocks), team, Part{}, [&] {
        return
            [&, reader = SoftReader(votes), look = make()](std::int64_t job, const Worker& worker) mutable {
                Part part{};
                const std::int64_t end = first_block(job + 1, blocks);
                for (std::int64_t b = first_block(job, blocks); b < end && !worker.stopped(); ++b)
                    look(reader.read(b), part, worker);
                return part;
            };
    });
}

inline Team soft_team(const SoftVotes& votes, int threads, const ShouldStop& ask) {
    return Team(soft_blocks(votes) < 4 ? 1 : threads, ask);
}

} // namespace fastfuse
