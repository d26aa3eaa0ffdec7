#include "votes/patterns.hpp"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "votes/key_table.hpp"

namespace fastfuse {
namespace {

constexpr std::uint32_t outside_id = 0; // voxels outside the mask
constexpr std::uint32_t zero_id = 1;    // voxels without any vote

// Voxels of each pattern. Low ids, the frequent ones, are counted by each thread for itself.
class Counts {
  public:
    Counts(std::int64_t ids, int threads)
        : shared_(static_cast<std::size_t>(ids)),
          own_(static_cast<std::size_t>(threads), std::vector<std::int64_t>(low)) {}

    void add(std::uint32_t id, std::int64_t voxels, int thread) {
        if (id < low)
            own_[static_cast<std::size_t>(thread)][id] += voxels;
        else
            shared_[id].fetch_add(voxels, std::memory_order_relaxed);
    }

    double total(std::size_t id) const {
        std::int64_t sum = shared_[id].load();
        for (const auto& counts : own_)
            sum += id < low ? counts[id] : 0;
        return static_cast<double>(sum);
    }

  private:
    static constexpr std::uint32_t low = 4096;
    std::vector<std::atomic<std::int64_t>> shared_;
    std::vector<std::vector<std::int64_t>> own_;
};

struct Full {}; // the table has no place for another pattern

// Bit g: all voxels of the block's group g are without any vote, or outside the mask.
struct UniformGroups {
    std::uint64_t zero, outside;
};

// One thread's way from blocks to the table.
class Finder {
  public:
    Finder(const Votes& votes, Table& table, Counts& counts)
        : votes_(votes), table_(table), counts_(counts), block_(votes),
          key_(static_cast<std::size_t>(votes.columns())), ids_(static_cast<std::size_t>(block_rows)) {}

    UniformGroups find(std::int64_t index, const VotedGroups* voted, const Output& notes, int thread) {
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
        const std::uint64_t done = block_.zero_groups | block_.outside_groups;
        for (std::int64_t begin = 0; begin < block_.voxels; begin += group_voxels) {
            if (done >> (begin / group_voxels) & 1) continue;
            const std::int64_t end = std::min(begin + group_voxels, block_.voxels);
            for (std::int64_t k = begin; k < end; ++k) {
                const std::int32_t row = block_.row[static_cast<std::size_t>(k)];
                notes.put_note(block_.first + k, row < 0 ? outside_id : ids_[static_cast<std::size_t>(row)]);
            }
        }
        return {block_.zero_groups, block_.outside_groups};
    }

  private:
    std::uint32_t look_up() {
        const std::uint32_t found = table_.find_or_add(key_.data());
        if (found == Table::full) throw Full();
        return found + zero_id + 1;
    }

    const Votes& votes_;
    Table& table_;
    Counts& counts_;
    Block block_;
    std::vector<double> key_; // a pattern's votes and, with a map, its prior
    std::vector<std::uint32_t> ids_;
};

class TableReader : public BatchReader {
  public:
    explicit TableReader(const IndexedRows& rows) : rows_(rows) {}
    Batch read(std::int64_t index) override { return rows_.batch(index); }

  private:
    const IndexedRows& rows_;
};

// The keys' numbers in lexicographic order of the keys: one order, whichever thread came first.
std::vector<std::int64_t> sorted(const Table& table, std::size_t width) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(table.size()));
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return std::lexicographical_compare(table.key(a), table.key(a) + width, table.key(b),
                                            table.key(b) + width);
    });
    return order;
}

} // namespace

std::unique_ptr<Patterns> Patterns::find(const Votes& votes, const Output& notes, std::int64_t capacity,
                                         const Team& team) {
    capacity = std::min<std::int64_t>(capacity, Table::full - 3); // numbers and ids are 32 bits wide
    // Most volumes have few patterns: begin with a table that stays in cache.
    for (std::int64_t room = std::min<std::int64_t>(4096, capacity);; room = std::min(16 * room, capacity)) {
        auto patterns = try_find(votes, notes, room, team);
        if (patterns || room == capacity) return patterns;
    }
}

std::unique_ptr<Patterns> Patterns::try_find(const Votes& votes, const Output& notes, std::int64_t capacity,
                                             const Team& team) {
    auto patterns = std::unique_ptr<Patterns>(new Patterns);
    const auto blocks = static_cast<std::size_t>(block_count(votes));
    patterns->raters_ = votes.size();
    patterns->may_miss_ = votes.may_miss();
    patterns->voxels_ = votes.voxels();
    patterns->zero_groups_.resize(blocks);
    patterns->outside_groups_.resize(blocks);

    Table table(votes.columns(), capacity);
    Counts counts(capacity + zero_id + 1, team.size());
    PerThread<Finder> finders(team);
    try {
        constexpr std::int64_t blocks_of_job = 16;
        const std::int64_t all = block_count(votes);
        team.run((all + blocks_of_job - 1) / blocks_of_job, [&](std::int64_t job, const Worker& worker) {
            Finder& finder = finders.of(worker, [&] { return Finder(votes, table, counts); });
            const std::int64_t first = job * blocks_of_job, end = std::min(first + blocks_of_job, all);
            const auto voted = find_voted_groups(votes, first, end - first);
            for (std::int64_t b = first; b < end && !worker.stopped(); ++b) {
                const auto at = static_cast<std::size_t>(b);
                const UniformGroups groups =
                    finder.find(b, voted ? voted->data() + (b - first) : nullptr, notes, worker.thread);
                patterns->zero_groups_[at] = groups.zero;
                patterns->outside_groups_[at] = groups.outside;
            }
        });
    } catch (const Full&) {
        return nullptr; // the notes made so far mean nothing: the next reader overwrites all of them
    }

    const std::vector<std::int64_t> order = sorted(table, static_cast<std::size_t>(votes.columns()));
    const auto size = static_cast<std::size_t>(table.size()) + 1; // the pattern without any vote leads
    patterns->size_ = static_cast<std::int64_t>(size);
    patterns->vote_.resize(size * votes.raters.size());
    patterns->count_.resize(size);
    patterns->prior_.assign(votes.prior ? size : 0, 0.5);
    patterns->row_of_id_.assign(size + zero_id, -1);
    patterns->row_of_id_[zero_id] = 0;
    patterns->count_[0] = counts.total(zero_id);
    for (std::size_t row = 1; row < size; ++row) {
        const std::int64_t number = order[row - 1];
        const auto id = static_cast<std::size_t>(number) + zero_id + 1;
        patterns->row_of_id_[id] = static_cast<std::int64_t>(row);
        patterns->count_[row] = counts.total(id);
        for (std::size_t i = 0; i < votes.raters.size(); ++i)
            patterns->vote_[i * size + row] = table.key(number)[i];
        if (votes.prior) patterns->prior_[row] = table.key(number)[votes.raters.size()];
    }
    return patterns;
}

Batch Patterns::batch(std::int64_t index) const {
    const std::int64_t first = index * batch_rows;
    Batch batch;
    batch.raters = raters_;
    batch.rows = std::min(batch_rows, size_ - first);
    batch.stride = size_;
    batch.vote = vote_.data() + first;
    batch.count = count_.data() + first;
    batch.prior = prior_.empty() ? nullptr : prior_.data() + first;
    batch.may_miss = may_miss_;
    return batch;
}

std::unique_ptr<BatchReader> IndexedRows::reader() const { return std::make_unique<TableReader>(*this); }

void Patterns::write(const std::vector<double>& probability_of_row, const Output& to,
                     const Team& team) const {
    std::vector<double> probability(row_of_id_.size()); // of each id; 0 outside the mask
    for (std::size_t id = zero_id; id < row_of_id_.size(); ++id)
        probability[id] = probability_of_row[static_cast<std::size_t>(row_of_id_[id])];
    team.run(static_cast<std::int64_t>(zero_groups_.size()), [&](std::int64_t block, const Worker&) {
        const std::int64_t first = block * block_voxels;
        const std::int64_t end = std::min(first + block_voxels, voxels_);
        const std::uint64_t zero = zero_groups_[static_cast<std::size_t>(block)];
        const std::uint64_t outside = outside_groups_[static_cast<std::size_t>(block)];
        if (zero == ~std::uint64_t{0}) return to.fill(first, end - first, probability[zero_id]);
        for (std::int64_t begin = first, group = 0; begin < end; begin += group_voxels, ++group) {
            const std::int64_t n = std::min(group_voxels, end - begin);
            if (zero >> group & 1)
                to.fill(begin, n, probability[zero_id]);
            else if (outside >> group & 1)
                to.fill(begin, n, 0);
            else
                for (std::int64_t voxel = begin; voxel < begin + n; ++voxel)
                    to.put(voxel, probability[to.note(voxel)]);
        }
    });
}

void Patterns::rows_of_voxels(const Output& notes, std::int32_t* row, const Team& team) const {
    team.run(static_cast<std::int64_t>(zero_groups_.size()), [&](std::int64_t block, const Worker&) {
        const std::int64_t first = block * block_voxels;
        const std::int64_t end = std::min(first + block_voxels, voxels_);
        const std::uint64_t zero = zero_groups_[static_cast<std::size_t>(block)];
        const std::uint64_t outside = outside_groups_[static_cast<std::size_t>(block)];
        for (std::int64_t voxel = first; voxel < end; ++voxel) {
            const std::int64_t group = (voxel - first) / group_voxels;
            if (zero >> group & 1)
                row[voxel] = 0;
            else if (outside >> group & 1)
                row[voxel] = -1;
            else
                row[voxel] = static_cast<std::int32_t>(row_of_id_[notes.note(voxel)]);
        }
    });
}

} // namespace fastfuse
