#include "votes/tabulation.hpp"

#include <algorithm>

#include "votes/key_table.hpp"
#include "votes/lone/noter.hpp"
#include "votes/lone/pass.hpp"
#include "votes/masks/find.hpp"
#include "votes/masks/reader.hpp"
#include "votes/rows.hpp"

namespace fastfuse {
namespace {

using Ids = NotedPatterns;
constexpr std::int64_t most_patterns = 1 << 21; // sorting more takes seconds

using Table = KeyTable<double>;

// Enters the patterns of blocks into the table. Scratch of one thread.
class Finder {
  public:
    Finder(const Votes& votes, Table& table, IdCounts& counts, LoneCount& lone)
        : table_(table), lone_(lone), noter_(votes, counts), key_(static_cast<std::size_t>(votes.columns())) {
    }

    UniformGroups find(std::int64_t index, const VotedGroups* voted, const Output* notes, int thread) {
        return noter_.read(index, voted, notes, thread,
                           [&](const Batch& batch, std::int64_t row) { return look_up(batch, row); });
    }

  private:
    std::uint32_t look_up(const Batch& batch, std::int64_t row) {
        load_key(batch, row, key_.data());
        const std::uint32_t found = table_.find_or_add(key_.data());
        if (found != Table::full) return found + Ids::first_id;
        lone_.add();
        return Ids::lone_id;
    }

    Table& table_;
    LoneCount& lone_;
    Noter noter_;
    std::vector<double> key_; // a pattern's votes and, with a map, its prior
};

// The table with row 0 first, then the keys in order, each with its count.
Tabulation in_order(const Votes& votes, const Table& table, const IdCounts& counts,
                    std::vector<std::int64_t>& row_of_id, Watch& watch) {
    const std::vector<std::int64_t> order = sorted(table, watch);
    Patience patience(watch);
    const auto size = static_cast<std::size_t>(table.size()) + 1;
    std::vector<double> vote(size * votes.raters.size()), count(size), prior(votes.prior ? size : 0, 0.5);
    row_of_id.assign(size + Ids::first_id - 1, -1);
    row_of_id[Ids::zero_id] = 0;
    count[0] = static_cast<double>(counts.total(Ids::zero_id));
    for (std::size_t row = 1; row < size; ++row) {
        patience.after(votes.columns());
        const std::int64_t number = order[row - 1];
        const auto id = static_cast<std::size_t>(number) + Ids::first_id;
        row_of_id[id] = static_cast<std::int64_t>(row);
        count[row] = static_cast<double>(counts.total(id));
        for (std::size_t i = 0; i < votes.raters.size(); ++i)
            vote[i * size + row] = table.key(number)[i];
        if (votes.prior) prior[row] = table.key(number)[votes.raters.size()];
    }
    return {VoteTable(votes.size(), std::move(vote), std::move(count)), std::move(prior), nullptr, {}};
}

Tabulation find_rows(const Votes& votes, const Output* notes, std::int64_t capacity, std::int64_t most_lone,
                     const Team& team) {
    const std::int64_t blocks = block_count(votes);
    std::vector<UniformGroups> groups(static_cast<std::size_t>(blocks));
    Table table(votes.columns(), capacity);
    IdCounts counts(capacity + Ids::first_id, team.size());
    LoneCount lone(most_lone);
    PerThread<Finder> finders(team);
    const auto find = [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        Finder& finder = finders.of(worker, [&] { return Finder(votes, table, counts, lone); });
        const auto voted = find_voted_groups(votes, first, end - first);
        for (std::int64_t b = first; b < end && !worker.stopped(); ++b)
            groups[static_cast<std::size_t>(b)] =
                finder.find(b, voted ? voted->data() + (b - first) : nullptr, notes, worker.thread);
    };
    fill_table(blocks, team, table, counts, Ids::first_id, lone, most_lone > 0, find);
    std::vector<std::int64_t> row_of_id;
    Tabulation tabulation = in_order(votes, table, counts, row_of_id, team.watch());
    if (!notes) return tabulation;
    tabulation.lone = blocks_with_lone(groups);
    tabulation.index =
        std::make_unique<NotedPatterns>(*notes, votes.voxels(), std::move(groups), std::move(row_of_id));
    return tabulation;
}

} // namespace

std::vector<std::int64_t> blocks_with_lone(const std::vector<UniformGroups>& groups) {
    std::vector<std::int64_t> found;
    for (std::size_t block = 0; block < groups.size(); ++block)
        if (groups[block].lone != 0) found.push_back(static_cast<std::int64_t>(block));
    return found;
}

std::optional<Tabulation> find_patterns(const Votes& votes, const Output* notes, std::int64_t capacity,
                                        const Team& team, std::int64_t most_lone) {
    capacity =
        std::min<std::int64_t>(capacity, Table::full - Ids::first_id); // numbers and ids are 32 bits wide
    if (masks::look_like_masks(votes)) {
        try {
            return masks::find_patterns(votes, notes, capacity, team, most_lone);
        } catch (const masks::NotMasks&) { // soft votes, or bad ones, which the reader of all kinds names
        }
    }
    try {
        return find_rows(votes, notes, std::min(capacity, votes.voxels()), most_lone, team);
    } catch (const Full&) {
        return std::nullopt;
    }
}

std::int64_t default_capacity(const Votes& votes) {
    const std::int64_t bytes = std::max(4 * votes.voxels(), votes.columns() * votes.voxels() / 4);
    const std::int64_t fit = bytes / (16 * votes.columns() + 48); // key and table row, counts and slots
    return std::clamp<std::int64_t>(fit, 4096, most_patterns);
}

std::int64_t table_capacity(const Votes& votes) {
    constexpr std::int64_t of_small_volumes = 1 << 17;
    return std::max(default_capacity(votes), of_small_volumes);
}

} // namespace fastfuse
