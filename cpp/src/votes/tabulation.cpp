#include "votes/tabulation.hpp"

#include <algorithm>

#include "support/runs.hpp"
#include "votes/key_table.hpp"
#include "votes/masks/find.hpp"
#include "votes/masks/reader.hpp"
#include "votes/rows.hpp"

namespace fastfuse {
namespace {

constexpr std::uint32_t outside_id = NotedPatterns::outside_id, zero_id = NotedPatterns::zero_id;
constexpr std::int64_t most_patterns = 1 << 21; // sorting more takes seconds

using Table = KeyTable<double>;

// Enters the patterns of blocks into the table. Scratch of one thread.
class Finder {
  public:
    Finder(const Votes& votes, Table& table, IdCounts& counts)
        : votes_(votes), table_(table), counts_(counts), block_(votes),
          key_(static_cast<std::size_t>(votes.columns())), ids_(static_cast<std::size_t>(block_rows)) {}

    UniformGroups find(std::int64_t index, const VotedGroups* voted, const Output* notes, int thread) {
        read_block(votes_, index, block_, voted);
        const Batch batch = batch_of(votes_, block_);
        counts_.add(zero_id, static_cast<std::int64_t>(block_.count[0]), thread);
        ids_[0] = zero_id;
        for (std::int64_t r = 1; r < block_.rows; ++r) {
            load_key(batch, r, key_.data());
            ids_[static_cast<std::size_t>(r)] = look_up();
            counts_.add(ids_[static_cast<std::size_t>(r)],
                        static_cast<std::int64_t>(block_.count[static_cast<std::size_t>(r)]), thread);
        }
        if (notes) take_notes(*notes);
        return {block_.zero_groups, block_.outside_groups};
    }

  private:
    void take_notes(const Output& notes) const {
        const std::uint64_t done = block_.zero_groups | block_.outside_groups;
        for (std::int64_t begin = 0; begin < block_.voxels; begin += group_voxels) {
            if (done >> (begin / group_voxels) & 1) continue;
            const std::int64_t end = std::min(begin + group_voxels, block_.voxels);
            for (std::int64_t k = begin; k < end; ++k) {
                const std::int32_t row = block_.row[static_cast<std::size_t>(k)];
                notes.put_note(block_.first + k, row < 0 ? outside_id : ids_[static_cast<std::size_t>(row)]);
            }
        }
    }

    std::uint32_t look_up() {
        const std::uint32_t found = table_.find_or_add(key_.data());
        if (found == Table::full) throw Full();
        return found + zero_id + 1;
    }

    const Votes& votes_;
    Table& table_;
    IdCounts& counts_;
    Block block_;
    std::vector<double> key_; // a pattern's votes and, with a map, its prior
    std::vector<std::uint32_t> ids_;
};

// The table with row 0 first, then the keys in order, each with its count.
Tabulation in_order(const Votes& votes, const Table& table, const IdCounts& counts,
                    std::vector<std::int64_t>& row_of_id, Watch& watch) {
    const std::vector<std::int64_t> order = sorted(table, watch);
    Patience patience(watch);
    const auto size = static_cast<std::size_t>(table.size()) + 1;
    std::vector<double> vote(size * votes.raters.size()), count(size), prior(votes.prior ? size : 0, 0.5);
    row_of_id.assign(size + zero_id, -1);
    row_of_id[zero_id] = 0;
    count[0] = counts.total(zero_id);
    for (std::size_t row = 1; row < size; ++row) {
        patience.after(votes.columns());
        const std::int64_t number = order[row - 1];
        const auto id = static_cast<std::size_t>(number) + zero_id + 1;
        row_of_id[id] = static_cast<std::int64_t>(row);
        count[row] = counts.total(id);
        for (std::size_t i = 0; i < votes.raters.size(); ++i)
            vote[i * size + row] = table.key(number)[i];
        if (votes.prior) prior[row] = table.key(number)[votes.raters.size()];
    }
    return {VoteTable(votes.size(), std::move(vote), std::move(count)), std::move(prior), nullptr};
}

Tabulation try_find(const Votes& votes, const Output* notes, std::int64_t capacity, const Team& team) {
    const std::int64_t blocks = block_count(votes);
    std::vector<UniformGroups> groups(static_cast<std::size_t>(blocks));
    Table table(votes.columns(), capacity);
    IdCounts counts(capacity + zero_id + 1, team.size());
    PerThread<Finder> finders(team);
    in_runs(blocks, team, [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        Finder& finder = finders.of(worker, [&] { return Finder(votes, table, counts); });
        const auto voted = find_voted_groups(votes, first, end - first);
        for (std::int64_t b = first; b < end && !worker.stopped(); ++b)
            groups[static_cast<std::size_t>(b)] =
                finder.find(b, voted ? voted->data() + (b - first) : nullptr, notes, worker.thread);
    });
    std::vector<std::int64_t> row_of_id;
    Tabulation tabulation = in_order(votes, table, counts, row_of_id, team.watch());
    if (notes)
        tabulation.index =
            std::make_unique<NotedPatterns>(*notes, votes.voxels(), std::move(groups), std::move(row_of_id));
    return tabulation;
}

} // namespace

std::optional<Tabulation> find_patterns(const Votes& votes, const Output* notes, std::int64_t capacity,
                                        const Team& team) {
    capacity = std::min<std::int64_t>(capacity, Table::full - 3); // numbers and ids are 32 bits wide
    if (masks::look_like_masks(votes)) {
        try {
            return masks::find_patterns(votes, notes, capacity, team);
        } catch (const masks::NotMasks&) { // soft votes, or bad ones, which the reader of all kinds names
        }
    }
    return with_room(std::min(capacity, votes.voxels()),
                     [&](std::int64_t room) { return try_find(votes, notes, room, team); });
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
