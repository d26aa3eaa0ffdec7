#include "votes/masks/find.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "support/runs.hpp"
#include "votes/key_table.hpp"
#include "votes/lone/noter.hpp"
#include "votes/lone/pass.hpp"
#include "votes/masks/index.hpp"
#include "votes/masks/reader.hpp"
#include "votes/masks/vote_bits.hpp"

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
            add(codes);
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
    void add(const Code* codes) {
        const GroupList& busy = reader_.busy();
        for (std::int64_t group = 0; group < busy.size; ++group, codes += group_voxels) {
            if (reader_.divided() >> busy.group[static_cast<std::size_t>(group)] & 1) continue;
            for (std::int64_t k = 0; k < group_voxels; k += 8) {
                if (are_one(codes + k)) {
                    count_[ways * codes[k]] += 8;
                    continue;
                }
                for (std::int64_t j = k; j < k + 8; ++j)
                    ++count_[ways * codes[j] + static_cast<std::size_t>(j) % ways];
            }
        }
    }
    // Whether eight codes are the same.
    static bool are_one(const Code* codes) {
        std::uint64_t words[sizeof(Code)];
        std::memcpy(words, codes, sizeof words);
        constexpr std::uint64_t each = ~std::uint64_t{0} / static_cast<Code>(~Code{0}); // 1 in each code
        const std::uint64_t first = each * codes[0];
        std::uint64_t other = 0;
        for (const std::uint64_t word : words)
            other |= word ^ first;
        return other == 0;
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

// The table of patterns of `width` words, the first one 0, the others in the order of their votes. Voxels
// that nobody saw do not count.
Tabulation table_of(const Votes& votes, const std::vector<std::uint64_t>& patterns, std::size_t width,
                    std::vector<double> counts) {
    const std::size_t size = counts.size();
    const VoteBits bits(votes);
    std::vector<double> vote(size * votes.raters.size());
    for (std::size_t row = 0; row < size; ++row) {
        bool seen = false;
        for (int i = 0; i < votes.size(); ++i) {
            double& one = vote[static_cast<std::size_t>(i) * size + row];
            one = bits.vote({patterns.data() + row * width, width}, i);
            seen |= !is_missing(one);
        }
        if (!seen) counts[row] = 0;
    }
    return {VoteTable(votes.size(), std::move(vote), std::move(counts)), {}, nullptr, {}};
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
    if (!votes.present.empty()) // else the votes' order is that of the bits
        std::sort(patterns.begin() + 1, patterns.end(), [&, bits = VoteBits(votes)](auto one, auto other) {
            return bits.precede({&one, 1}, {&other, 1});
        });
    std::vector<double> counts;
    std::vector<std::int32_t> row_of_code(std::size_t{1} << bits_of(votes), -1);
    for (const std::uint64_t code : patterns) {
        row_of_code[code] = static_cast<std::int32_t>(counts.size());
        counts.push_back(static_cast<double>(voxels[code]));
        if (code != 0) counts[0] -= counts.back();
    }
    Tabulation tabulation = table_of(votes, patterns, 1, std::move(counts));
    if (notes)
        tabulation.index = std::make_unique<CodeIndex<Code>>(*notes, votes.voxels(), std::move(groups),
                                                             std::move(row_of_code));
    return tabulation;
}

using Table = KeyTable<std::uint64_t>;
using Ids = NotedPatterns;
using Pattern =
    std::array<std::uint64_t, most_bits / 64>; // as many words as the bits need, the highest first

// The table of words and what its threads share.
struct Words {
    Words(const Votes& of, std::int64_t capacity, std::int64_t most_lone, int threads)
        : votes(of), width((bits_of(of) + 63) / 64), table(width, capacity),
          counts(capacity + Ids::first_id, threads), lone(most_lone),
          most_odd(most_lone > 0 ? 16 + of.voxels() / voxels_an_odd_row : 0) {}

    static constexpr std::int64_t voxels_an_odd_row = 1 << 14;
    const Votes& votes;
    const int width;
    Table table;
    IdCounts counts;
    LoneCount lone;
    const std::int64_t most_odd;
};

// Enters the patterns of blocks into the table, and notes their numbers. Voxels on which a vote is neither 0
// nor 1 are lone. Scratch of one thread.
class Finder {
  public:
    explicit Finder(Words& words)
        : reader_(words.votes), words_(words), raters_(words.votes.size()),
          width_(static_cast<std::size_t>(words.width)), bits_(words.votes),
          outside_(words.votes.mask ? bits_inside(words.votes) : -1) {}

    // `odd` is set to the number of rows with an odd vote.
    UniformGroups find(std::int64_t index, const Output* notes, int thread, std::int64_t& odd) {
        last_.fill(0); // the table may have been cut since
        last_id_ = Ids::zero_id;
        odd = 0;
        if (!reader_.read(index)) return find_odd(index, notes, thread, odd);
        UniformGroups groups = reader_.uniform();
        const GroupList& busy = reader_.busy();
        std::int64_t zeros = reader_.inside();
        for (std::int64_t j = 0; j < busy.size; ++j) {
            const std::int64_t group = busy.group[static_cast<std::size_t>(j)], begin = group_voxels * group;
            const std::int64_t n = std::min(group_voxels, reader_.voxels() - begin);
            join(j);
            std::uint32_t before = Ids::zero_id;
            for (std::int64_t k = 0; k < n; ++k) {
                const bool same = load(static_cast<std::size_t>(k));
                std::uint32_t id = same ? last_id_ : look_up();
                zeros -= id >= Ids::lone_id;
                if (id >= Ids::first_id) words_.counts.add(id, 1, thread);
                if (id == Ids::lone_id) {
                    groups.lone |= std::uint64_t{1} << group;
                    if (same && before >= Ids::lone_id && before < Ids::first_id) id = Ids::lone_on_id;
                }
                if (notes) notes->put_note(index * block_voxels + begin + k, id);
                before = id;
            }
        }
        words_.counts.add(Ids::zero_id, zeros, thread);
        return groups;
    }

  private:
    // Joins the planes of the j-th busy group to words.
    void join(std::int64_t j) {
        group_.resize(width_);
        const int planes = reader_.planes();
        for (auto& words : group_)
            words.fill(0);
        for (int p = 0; p < planes; ++p) {
            auto& words = group_[width_ - 1 - static_cast<std::size_t>(planes - 1 - p) / 8];
            const std::uint8_t* plane = reader_.plane(p) + j * group_voxels;
            for (std::size_t k = 0; k < words.size(); ++k)
                words[k] = words[k] << 8 | plane[k];
        }
    }

    // Loads the pattern of a voxel of that group; returns whether it is that of the last one: marks come in
    // runs.
    bool load(std::size_t k) {
        bool same = true;
        for (std::size_t w = 0; w < width_; ++w) {
            pattern_[w] = group_[w][k];
            same = same && pattern_[w] == last_[w];
        }
        return same;
    }

    void set(int number) {
        pattern_[width_ - 1 - static_cast<std::size_t>(number) / 64] |= std::uint64_t{1} << number % 64;
    }

    std::uint32_t look_up() {
        std::copy_n(pattern_.begin(), width_, last_.begin());
        return last_id_ = id_of_pattern();
    }

    std::uint32_t id_of_pattern() {
        if (std::all_of(pattern_.begin(), pattern_.begin() + width_,
                        [](std::uint64_t word) { return word == 0; }))
            return Ids::zero_id;
        if (outside_ >= 0 && Bits{pattern_.data(), width_}[outside_]) return Ids::outside_id;
        const std::uint32_t found = words_.table.find_or_add(pattern_.data());
        if (found != Table::full) return found + Ids::first_id;
        words_.lone.add();
        return Ids::lone_id;
    }

    UniformGroups find_odd(std::int64_t index, const Output* notes, int thread, std::int64_t& odd) {
        if (words_.most_odd == 0) throw NotMasks();
        if (!noter_) noter_ = std::make_unique<Noter>(words_.votes, words_.counts);
        return noter_->read(index, nullptr, notes, thread, [&](const Batch& batch, std::int64_t row) {
            pattern_.fill(0);
            for (int i = 0; i < raters_; ++i) {
                const double vote = batch.votes_of(i)[row];
                if (vote == 1)
                    set(bits_.of(i));
                else if (is_missing(vote) && bits_.unseen(i) >= 0)
                    set(bits_.unseen(i));
                else if (vote != 0) {
                    ++odd;
                    return Ids::lone_id;
                }
            }
            return id_of_pattern();
        });
    }

    Reader reader_;
    Words& words_;
    int raters_;
    std::size_t width_;
    VoteBits bits_;
    int outside_; // the number of the bit that says so; -1: there is no mask
    std::vector<std::array<std::uint64_t, static_cast<std::size_t>(group_voxels)>> group_; // words of voxels
    Pattern pattern_{}, last_{};
    std::uint32_t last_id_ = Ids::zero_id;
    std::unique_ptr<Noter> noter_; // of blocks with an odd vote
};

// The table's patterns in ascending order, each with its count.
Tabulation in_order(const Words& words, std::vector<std::int64_t>& row_of_id, Watch& watch) {
    std::vector<std::int64_t> order = sorted(words.table, watch);
    const auto width = static_cast<std::size_t>(words.width);
    if (!words.votes.present.empty()) // else the votes' order is that of the bits
        std::sort(order.begin(), order.end(), [&, bits = VoteBits(words.votes)](auto one, auto other) {
            return bits.precede({words.table.key(one), width}, {words.table.key(other), width});
        });
    std::vector<std::uint64_t> patterns(width);
    std::vector<double> voxels{static_cast<double>(words.counts.total(Ids::zero_id))};
    row_of_id.assign(order.size() + Ids::first_id, -1);
    row_of_id[Ids::zero_id] = 0;
    for (const std::int64_t number : order) {
        const auto id = static_cast<std::size_t>(number) + Ids::first_id;
        row_of_id[id] = static_cast<std::int64_t>(voxels.size());
        patterns.insert(patterns.end(), words.table.key(number), words.table.key(number) + width);
        voxels.push_back(static_cast<double>(words.counts.total(id)));
    }
    return table_of(words.votes, patterns, width, std::move(voxels));
}

Tabulation by_words(const Votes& votes, const Output* notes, std::int64_t capacity, std::int64_t most_lone,
                    const Team& team) {
    const std::int64_t blocks = block_count(votes);
    std::vector<UniformGroups> groups(static_cast<std::size_t>(blocks));
    std::vector<std::uint16_t> odd(static_cast<std::size_t>(blocks)); // rows of each block
    Words words(votes, capacity, most_lone, team.size());
    PerThread<Finder> finders(team);
    const auto find = [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        Finder& finder = finders.of(worker, [&] { return Finder(words); });
        std::int64_t odd_rows = 0;
        for (std::int64_t b = first; b < end && !worker.stopped(); ++b) {
            const auto block = static_cast<std::size_t>(b);
            groups[block] = finder.find(b, notes, worker.thread, odd_rows);
            if (odd_rows > words.most_odd) throw NotMasks();
            odd[block] = static_cast<std::uint16_t>(odd_rows);
        }
    };
    fill_table(blocks, team, words.table, words.counts, Ids::first_id, words.lone, most_lone > 0, find);
    if (std::accumulate(odd.begin(), odd.end(), std::int64_t{0}) > words.most_odd) throw NotMasks();
    std::vector<std::int64_t> row_of_id;
    Tabulation tabulation = in_order(words, row_of_id, team.watch());
    if (!notes) return tabulation;
    tabulation.lone = blocks_with_lone(groups);
    tabulation.index =
        std::make_unique<NotedPatterns>(*notes, votes.voxels(), std::move(groups), std::move(row_of_id));
    return tabulation;
}

// As long as the marks of each voxel are few enough to count all their patterns.
std::optional<Tabulation> by_codes(const Votes& votes, const Output* notes, std::int64_t capacity,
                                   const Team& team) {
    if (bits_of(votes) <= 8) return by_codes<std::uint8_t>(votes, notes, capacity, team);
    return by_codes<std::uint16_t>(votes, notes, capacity, team);
}

} // namespace

std::optional<Tabulation> find_patterns(const Votes& votes, const Output* notes, std::int64_t capacity,
                                        const Team& team, std::int64_t most_lone) {
    const int bits = bits_of(votes);
    const bool few_voxels = votes.voxels() < std::int64_t{1} << std::min(bits, most_coded);
    if (bits <= 8 || (bits <= most_coded && !few_voxels)) {
        try {
            return by_codes(votes, notes, capacity, team);
        } catch (const NotMasks&) { // maybe a few odd votes
            if (most_lone == 0) throw;
        }
    }
    try {
        return by_words(votes, notes, std::min(capacity, votes.voxels()), most_lone, team);
    } catch (const Full&) {
        return std::nullopt;
    }
}

} // namespace fastfuse::masks
