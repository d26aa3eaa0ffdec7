// Work on many small pieces, a run of them to a job: each alone would cost more than it does.
#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>

#include "fastfuse/threads.hpp"

namespace fastfuse {

// Calls `work(first, end, worker)` for runs of at most `length` of the `pieces`, on the team's threads.
// At most `most_threads` of them.
template <class Work>
void in_runs(std::int64_t pieces, const Team& team, const Work& work, std::int64_t length = 16,
             int most_threads = INT_MAX) {
    const auto run = [&](std::int64_t job, const Worker& worker) {
        work(job * length, std::min((job + 1) * length, pieces), worker);
    };
    team.run((pieces + length - 1) / length, run, most_threads);
}

} // namespace fastfuse
