// A sum over jobs that is the same for every team.
#pragma once

#include <algorithm>
#include <climits>
#include <cstdint>
#include <vector>

#include "fastfuse/threads.hpp"

namespace fastfuse {

// Adds up what `make()(job, worker)` answers for every job, in the order of the jobs. Each thread gets its
// own `make()`; `total` begins empty.
template <class Total, class Make>
Total sum_over_jobs(std::int64_t jobs, const Team& team, Total total, const Make& make,
                    int most_threads = INT_MAX) {
    constexpr std::int64_t at_a_time = 256; // parts held at once
    PerThread<decltype(make())> answers(team);
    for (std::int64_t first = 0; first < jobs; first += at_a_time) {
        std::vector<Total> parts(static_cast<std::size_t>(std::min(at_a_time, jobs - first)));
        team.run(
            static_cast<std::int64_t>(parts.size()),
            [&](std::int64_t job, const Worker& worker) {
                parts[static_cast<std::size_t>(job)] = answers.of(worker, make)(first + job, worker);
            },
            most_threads);
        for (const Total& part : parts)
            total.add(part);
    }
    return total;
}

} // namespace fastfuse
