// From label maps to a table of tuples: one read of the volume.
#include <algorithm>
#include <numeric>
#include <utility>

#include "fastfuse/labels.hpp"
#include "labels/index.hpp"
#include "labels/reading/blocks.hpp"
#include "labels/reading/tuples.hpp"
#include "support/runs.hpp"

namespace fastfuse {
namespace {

constexpr std::uint32_t outside_id = LabelIndex::outside;
constexpr std::int64_t most_tuples = TupleTable::full - 2; // numbers and ids are 32 bits wide

// Enters the tuples of blocks into the table. Scratch of one thread.
class Finder {
  public:
    Finder(const Votes& votes, const CodeBook& book, const Packing& packing, TupleTable& table,
           IdCounts& counts)
        : packing_(packing), table_(table), counts_(counts), block_(votes, book),
          words_(static_cast<std::size_t>(packing.width() * block_voxels)),
          tuple_(static_cast<std::size_t>(packing.width())) {}

    void find(std::int64_t index, std::uint32_t* ids, int thread) {
        block_.read(index);
        packing_.pack(block_.codes_of(0), block_voxels, block_.voxels(), words_.data(), block_voxels);
        const std::uint8_t* inside = block_.inside();
        std::uint32_t* id = ids + block_.first();
        std::int64_t begin = 0; // of a run of voxels with the same id
        for (std::int64_t k = 0; k < block_.voxels(); ++k) {
            const bool goes_on = k > 0 && is_same(k) && (!inside || inside[k] == inside[k - 1]);
            if (!goes_on) {
                if (k > 0) counts_.add(id[begin], k - begin, thread);
                id[k] = inside && !inside[k] ? outside_id : look_up(k);
                begin = k;
            } else
                id[k] = id[k - 1];
        }
        counts_.add(id[begin], block_.voxels() - begin, thread);
    }

  private:
    // Whether the voxel has the tuple of the one before it.
    bool is_same(std::int64_t k) const {
        for (std::size_t w = 0; w < tuple_.size(); ++w)
            if (word(w, k) != word(w, k - 1)) return false;
        return true;
    }

    const Word& word(std::size_t w, std::int64_t k) const {
        return words_[w * block_voxels + static_cast<std::size_t>(k)];
    }

    std::uint32_t look_up(std::int64_t k) {
        for (std::size_t w = 0; w < tuple_.size(); ++w)
            tuple_[w] = word(w, k);
        const std::uint32_t number = table_.find_or_add(tuple_.data());
        if (number == TupleTable::full) throw Full();
        return number + outside_id + 1;
    }

    const Packing& packing_;
    TupleTable& table_;
    IdCounts& counts_;
    LabelBlock block_;
    std::vector<Word> words_;
    std::vector<Word> tuple_;
};

// The rows in order, and which one each id stands for.
std::vector<std::int64_t> put_in_order(const TupleTable& tuples, const Packing& packing,
                                       const IdCounts& counts, Watch& watch, LabelTable& table) {
    const std::vector<std::int64_t> order = sorted(tuples, watch);
    const std::size_t rows = order.size();
    std::vector<std::int64_t> row_of_id(rows + outside_id + 1, -1);
    table.codes.resize(rows * static_cast<std::size_t>(table.raters));
    table.counts.resize(rows);
    for (std::size_t row = 0; row < rows; ++row) {
        const Word* tuple = tuples.key(order[row]);
        const auto id = static_cast<std::size_t>(order[row]) + outside_id + 1;
        row_of_id[id] = static_cast<std::int64_t>(row);
        bool read = false;
        for (int i = 0; i < table.raters; ++i) {
            const Code code = packing.code(tuple, i);
            table.codes[static_cast<std::size_t>(i) * rows + row] = code;
            read = read || code != no_code;
        }
        table.counts[row] = read ? static_cast<double>(counts.total(id)) : 0;
    }
    return row_of_id;
}

} // namespace

LabelTable tabulate_labels(const Votes& votes, const std::vector<std::int64_t>& labels, int threads,
                           const ShouldStop& ask) {
    const Team team = team_for(votes, threads, ask);
    const CodeBook book(labels);
    const Packing packing(votes.size(), labels.size());
    RawVector<std::uint32_t> ids(static_cast<std::size_t>(votes.voxels()));
    const std::int64_t most = std::min(votes.voxels(), most_tuples);
    TupleTable tuples(packing.width(), most);
    IdCounts counts(most + outside_id + 1, team.size());
    PerThread<Finder> finders(team);
    constexpr std::int64_t blocks_of_job = 8;
    const auto find = [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        Finder& finder = finders.of(worker, [&] { return Finder(votes, book, packing, tuples, counts); });
        for (std::int64_t b = first; b < end && !worker.stopped(); ++b)
            finder.find(b, ids.data(), worker.thread);
    };
    in_runs(block_count(votes), team, find, blocks_of_job);
    LabelTable table;
    table.labels = labels;
    table.raters = votes.size();
    std::vector<std::int64_t> row_of_id = put_in_order(tuples, packing, counts, team.watch(), table);
    table.index = std::make_shared<const LabelIndex>(std::move(ids), std::move(row_of_id));
    return table;
}

LabelTable in_order(const LabelTable& rows) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(rows.size()));
    std::iota(order.begin(), order.end(), 0);
    const auto compare = [&](std::int64_t a, std::int64_t b) { // <0, 0, >0
        for (int i = 0; i < rows.raters; ++i)
            if (const int difference = rows.codes_of(i)[a] - rows.codes_of(i)[b]) return difference;
        return 0;
    };
    std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return compare(a, b) < 0; });
    std::vector<std::int64_t> kept; // the first of equal rows
    LabelTable table;
    table.labels = rows.labels;
    table.raters = rows.raters;
    for (const std::int64_t row : order) {
        const double count = rows.counts[static_cast<std::size_t>(row)];
        if (!kept.empty() && compare(kept.back(), row) == 0) {
            table.counts.back() += count;
            continue;
        }
        kept.push_back(row);
        table.counts.push_back(count);
    }
    for (int i = 0; i < rows.raters; ++i)
        for (const std::int64_t row : kept)
            table.codes.push_back(rows.codes_of(i)[row]);
    return table;
}

} // namespace fastfuse
