#include "votes/masks/find.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "support/runs.hpp"
#include "votes/key_table.hpp"
#include "votes/masks/index.hpp"
#include "votes/masks/reader.hpp"

namespace fastfuse::masks {
namespace {

// Counts the patterns of blocks, and notes them. Scratch of one thread.
template <class Code> class Counter {
  public:
    explicit Counter(const Votes& votes)
        : reader_(votes), count_(ways << bits_of(votes)), codes_(static_cast<std::size_t>(block_voxels)) {}

    UniformGroups count(std::int64_t index, const Output* notes) {
        if (!reader_.read(index)) throw NotMasks();
        inside_ += reader_.inside();
        const std::int64_t n = std::min(reader_.busy().size * group_voxels, reader_.voxels());
        if (n > 0) {
            const Code* codes = join();
            add(codes, reader_.busy().size * group_voxels);
            if (notes)
                std::memcpy(notes->place<Code>(index * block_voxels), codes,
                            static_cast<std::size_t>(n) * sizeof(Code));
        }
        return reader_.uniform();
    }

    // Voxels of a pattern that is not 0.
    std::int64_t of(std::size_t code) const {
        std::int64_t sum = 0;
        for (std::size_t way = 0; way < ways; ++way)
            sum += count_[ways * code + way];
        return sum;
    }
    std::int64_t inside() const { return inside_; }

  private:
    // Counters of a pattern: neighbours often have the same, and would wait for each other. Many take turns
    // anyhow.
    static constexpr std::size_t ways = sizeof(Code) == 1 ? 4 : 1;

    const Code* join();
    void add(const Code* codes, std::int64_t n) {
        for (std::int64_t k = 0; k < n; k += 8) {
            if (all_zero(codes + k)) continue;
            for (std::int64_t j = k; j < k + 8; ++j)
                ++count_[ways * codes[j] + static_cast<std::size_t>(j) % ways];
        }
    }
    static bool all_zero(const Code* codes) {
        std::uint64_t words[sizeof(Code)];
        std::memcpy(words, codes, sizeof words);
        std::uint64_t any = 0;
        for (const std::uint64_t word : words)
            any |= word;
        return any == 0;
    }

    Reader reader_;
    std::vector<std::int64_t> count_;
    std::vector<Code> codes_;
    std::int64_t inside_ = 0;
};

template <> const std::uint8_t* Counter<std::uint8_t>::join() { return reader_.plane(0); }

template <> const std::uint16_t* Counter<std::uint16_t>::join() {
    const std::uint8_t *high = reader_.plane(0), *low = reader_.plane(1);
    const auto n = static_cast<std::size_t>(reader_.busy().size * group_voxels);
    for (std::size_t k = 0; k < n; ++k)
        codes_[k] = static_cast<std::uint16_t>(high[k] << 8 | low[k]);
    return codes_.data();
}

// The bits of patterns inside the mask.
int bits_inside(const Votes& votes) { return bits_of(votes) - (votes.mask ? 1 : 0); }

// What the bits of a pattern inside the mask stand for.
class VoteBits {
  public:
    explicit VoteBits(const Votes& votes) : raters_(votes.raters.size()), unseen_(raters_) {
        int bit = bits_inside(votes);
        for (std::size_t i = 0; i < votes.present.size(); ++i)
            if (votes.present[i]) unseen_[i] = std::uint64_t{1} << --bit;
    }

    double vote(std::uint64_t pattern, std::size_t rater) const {
        if (pattern & unseen_[rater]) return missing_vote;
        return static_cast<double>(pattern >> (raters_ - 1 - rater) & 1);
    }

    // Whether one pattern's votes come before another's in the order of a vote table.
    bool precede(std::uint64_t one, std::uint64_t other) const {
        for (std::size_t i = 0; i < raters_; ++i)
            if (const double a = vote(one, i), b = vote(other, i); a != b) return a < b;
        return false;
    }

  private:
    std::size_t raters_;
    std::vector<std::uint64_t> unseen_; // the bit that says so; 0 of a rater who saw all
};

// Sorts what stands for patterns, and is in the order of their bits, by their votes.
template <class Place, class PatternOf>
void sort_by_votes(const Votes& votes, Place begin, Place end, const PatternOf& pattern_of) {
    if (votes.present.empty()) return; // the same order
    const VoteBits bits(votes);
    std::sort(begin, end,
              [&](auto one, auto other) { return bits.precede(pattern_of(one), pattern_of(other)); });
}

// The table of patterns, the first one 0, the others in the order of their votes. Voxels that nobody saw do
// not count.
Tabulation table_of(const Votes& votes, const std::vector<std::uint64_t>& patterns,
                    std::vector<double> counts) {
    const std::size_t size = patterns.size();
    const VoteBits bits(votes);
    std::vector<double> vote(size * votes.raters.size());
    for (std::size_t row = 0; row < size; ++row) {
        bool seen = false;
        for (std::size_t i = 0; i < votes.raters.size(); ++i) {
            vote[i * size + row] = bits.vote(patterns[row], i);
            seen |= !is_missing(vote[i * size + row]);
        }
        if (!seen) counts[row] = 0;
    }
    return {VoteTable(votes.size(), std::move(vote), std::move(counts)), {}, nullptr};
}

template <class Code>
std::optional<Tabulation> by_codes(const Votes& votes, const Output* notes, std::int64_t capacity,
                                   const Team& team) {
    const std::int64_t blocks = block_count(votes);
    std::vector<UniformGroups> groups(static_cast<std::size_t>(blocks));
    PerThread<Counter<Code>> counters(team);
    in_runs(blocks, team, [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        auto& counter = counters.of(worker, [&] { return Counter<Code>(votes); });
        for (std::int64_t block = first; block < end && !worker.stopped(); ++block)
            groups[static_cast<std::size_t>(block)] = counter.count(block, notes);
    });
    std::vector<std::int64_t> voxels(std::size_t{1} << bits_inside(votes));
    counters.each([&](const Counter<Code>& counter) {
        voxels[0] += counter.inside();
        for (std::size_t code = 1; code < voxels.size(); ++code)
            voxels[code] += counter.of(code);
    });
    std::vector<std::uint64_t> patterns{0};
    for (std::size_t code = 1; code < voxels.size(); ++code)
        if (voxels[code] > 0) patterns.push_back(code);
    if (static_cast<std::int64_t>(patterns.size()) - 1 > capacity) return std::nullopt;
    sort_by_votes(votes, patterns.begin() + 1, patterns.end(), [](std::uint64_t code) { return code; });
    std::vector<double> counts;
    std::vector<std::int32_t> row_of_code(std::size_t{1} << bits_of(votes), -1);
    for (const std::uint64_t code : patterns) {
        row_of_code[code] = static_cast<std::int32_t>(counts.size());
        counts.push_back(static_cast<double>(voxels[code]));
        if (code != 0) counts[0] -= counts.back();
    }
    Tabulation tabulation = table_of(votes, patterns, std::move(counts));
    if (notes)
        tabulation.index = std::make_unique<CodeIndex<Code>>(*notes, votes.voxels(), std::move(groups),
                                                             std::move(row_of_code));
    return tabulation;
}

using Table = KeyTable<std::uint64_t>;
constexpr std::uint32_t outside_id = NotedPatterns::outside_id, zero_id = NotedPatterns::zero_id;

// Enters the patterns of blocks into the table, and notes their numbers. Scratch of one thread.
class Finder {
  public:
    Finder(const Votes& votes, Table& table, IdCounts& counts)
        : reader_(votes), outside_(votes.mask ? std::uint64_t{1} << bits_inside(votes) : 0), table_(table),
          counts_(counts) {}

    UniformGroups find(std::int64_t index, const Output* notes, int thread) {
        if (!reader_.read(index)) throw NotMasks();
        inside_ += reader_.inside();
        const GroupList& busy = reader_.busy();
        for (std::int64_t j = 0; j < busy.size; ++j) {
            const std::int64_t begin = group_voxels * busy.group[static_cast<std::size_t>(j)];
            const std::int64_t n = std::min(group_voxels, reader_.voxels() - begin);
            for (std::int64_t k = 0; k < n; ++k) {
                const std::uint32_t id = look_up(pattern_at(j * group_voxels + k));
                counts_.add(id, 1, thread);
                if (notes) notes->put_note(index * block_voxels + begin + k, id);
            }
        }
        return reader_.uniform();
    }
    std::int64_t inside() const { return inside_; }

  private:
    std::uint64_t pattern_at(std::int64_t k) const {
        std::uint64_t pattern = 0;
        for (int p = 0; p < reader_.planes(); ++p)
            pattern = pattern << 8 | reader_.plane(p)[k];
        return pattern;
    }

    std::uint32_t look_up(std::uint64_t pattern) {
        if (pattern == 0) return zero_id;
        if (pattern & outside_) return outside_id;
        if (pattern == last_) return last_id_; // marks come in runs
        const std::uint32_t found = table_.find_or_add(&pattern);
        if (found == Table::full) throw Full();
        last_ = pattern;
        return last_id_ = found + zero_id + 1;
    }

    Reader reader_;
    std::uint64_t outside_; // the bit that says so
    Table& table_;
    IdCounts& counts_;
    std::uint64_t last_ = 0;
    std::uint32_t last_id_ = zero_id;
    std::int64_t inside_ = 0;
};

Tabulation by_words(const Votes& votes, const Output* notes, std::int64_t room, const Team& team) {
    const std::int64_t blocks = block_count(votes);
    std::vector<UniformGroups> groups(static_cast<std::size_t>(blocks));
    Table table(1, room);
    IdCounts counts(room + zero_id + 1, team.size());
    PerThread<Finder> finders(team);
    in_runs(blocks, team, [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        Finder& finder = finders.of(worker, [&] { return Finder(votes, table, counts); });
        for (std::int64_t block = first; block < end && !worker.stopped(); ++block)
            groups[static_cast<std::size_t>(block)] = finder.find(block, notes, worker.thread);
    });
    std::vector<std::int64_t> order = sorted(table, team.watch());
    sort_by_votes(votes, order.begin(), order.end(), [&](std::int64_t number) { return *table.key(number); });
    std::vector<std::uint64_t> patterns{0};
    std::vector<double> voxels{0};
    std::vector<std::int64_t> row_of_id(order.size() + zero_id + 1, -1);
    row_of_id[zero_id] = 0;
    finders.each([&](const Finder& finder) { voxels[0] += static_cast<double>(finder.inside()); });
    for (const std::int64_t number : order) {
        const auto id = static_cast<std::size_t>(number) + zero_id + 1;
        row_of_id[id] = static_cast<std::int64_t>(patterns.size());
        patterns.push_back(*table.key(number));
        voxels.push_back(counts.total(id));
        voxels[0] -= voxels.back();
    }
    Tabulation tabulation = table_of(votes, patterns, std::move(voxels));
    if (notes)
        tabulation.index =
            std::make_unique<NotedPatterns>(*notes, votes.voxels(), std::move(groups), std::move(row_of_id));
    return tabulation;
}

} // namespace

std::optional<Tabulation> find_patterns(const Votes& votes, const Output* notes, std::int64_t capacity,
                                        const Team& team) {
    const int bits = bits_of(votes);
    const bool few_voxels = votes.voxels() < std::int64_t{1} << std::min(bits, most_coded);
    if (bits <= 8) return by_codes<std::uint8_t>(votes, notes, capacity, team);
    if (bits <= most_coded && !few_voxels) return by_codes<std::uint16_t>(votes, notes, capacity, team);
    return with_room(capacity, [&](std::int64_t room) { return by_words(votes, notes, room, team); });
}

} // namespace fastfuse::masks
