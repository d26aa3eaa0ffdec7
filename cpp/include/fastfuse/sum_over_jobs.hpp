// A sum over jobs that is the same for every team.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/parallel.hpp"

namespace fastfuse {

// Adds up what `make()(job, worker)` answers for every job, in the order of the jobs. Each thread gets its
// own `make()`; `total` begins empty.
template <class Total, class Make>
Total sum_over_jobs(std::int64_t jobs, const Team& team, Total total, const Make& make) {
    constexpr std::int64_t at_a_time = 256; // parts held at once
    std::vector<std::optional<decltype(make())>> answers(static_cast<std::size_t>(team.size()));
    for (std::int64_t first = 0; first < jobs; first += at_a_time) {
        std::vector<Total> parts(static_cast<std::size_t>(std::min(at_a_time, jobs - first)));
        team.run(static_cast<std::int64_t>(parts.size()), [&](std::int64_t job, const Worker& worker) {
            auto& answer = answers[static_cast<std::size_t>(worker.thread)];
            if (!answer) answer.emplace(make());
            parts[static_cast<std::size_t>(job)] = (*answer)(first + job, worker);
        });
        for (const Total& part : parts)
            total.add(part);
    }
    return total;
}

} // namespace fastfuse
