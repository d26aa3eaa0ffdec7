// Splits the pass that gathers the masses of the 2^m binary patterns into jobs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "fastfuse/threads.hpp"

namespace fastfuse {

// Each share of the voxels fills a table of its own. Each table is divided into strips: a strip holds the
// patterns in which the last `strip_raters` raters vote as the bits of its number say. One job fills one
// strip of one table. The split does not depend on the team, so the sums are the same for every team.
struct MassShares {
    int raters, strip_raters;
    std::int64_t shares;

    int other_raters() const { return raters - strip_raters; }
    std::int64_t strips() const { return std::int64_t{1} << strip_raters; }
    std::int64_t jobs() const { return shares * strips(); }
};

// Calls `fill(share, strip, table, worker)` for every job; returns the sum of the tables, in their order.
template <class Fill>
std::vector<double> gather_tables(const MassShares& split, std::size_t table_size, const Team& team,
                                  const Fill& fill) {
    std::vector<std::vector<double>> tables(static_cast<std::size_t>(split.shares));
    for (auto& table : tables)
        table.resize(table_size); // in place: a prototype to copy from would be one table more
    team.run(split.jobs(), [&](std::int64_t job, const Worker& worker) {
        const std::int64_t strip = job % split.strips(), share = job / split.strips();
        fill(share, strip, tables[static_cast<std::size_t>(share)].data(), worker);
    });
    for (std::size_t s = 1; s < tables.size(); ++s)
        for (std::size_t b = 0; b < table_size; ++b)
            tables[0][b] += tables[s][b];
    return std::move(tables[0]);
}

} // namespace fastfuse
