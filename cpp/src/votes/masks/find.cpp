#include "votes/masks/find.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "votes/masks/index.hpp"
#include "votes/masks/reader.hpp"

namespace fastfuse::masks {
namespace {

constexpr std::int64_t blocks_of_job = 16;

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
    static constexpr std::size_t ways = 4; // counters of a pattern: neighbours often have the same

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

// The table of the patterns that occur, row 0 first; their order is that of their numbers.
Tabulation in_order(int raters, const std::vector<std::int64_t>& count, std::vector<std::int32_t>& row_of) {
    std::vector<std::size_t> codes{0};
    for (std::size_t code = 1; code < count.size(); ++code)
        if (count[code] > 0) codes.push_back(code);
    const std::size_t size = codes.size();
    std::vector<double> vote(size * static_cast<std::size_t>(raters)), counts(size);
    for (std::size_t row = 0; row < size; ++row) {
        counts[row] = static_cast<double>(count[codes[row]]);
        row_of[codes[row]] = static_cast<std::int32_t>(row);
        for (int i = 0; i < raters; ++i)
            vote[static_cast<std::size_t>(i) * size + row] = codes[row] >> (raters - 1 - i) & 1;
    }
    return {VoteTable(raters, std::move(vote), std::move(counts)), {}, nullptr};
}

template <class Code>
std::optional<Tabulation> by_codes(const Votes& votes, const Output* notes, std::int64_t capacity,
                                   const Team& team) {
    const std::int64_t blocks = block_count(votes);
    std::vector<UniformGroups> groups(static_cast<std::size_t>(blocks));
    PerThread<Counter<Code>> counters(team);
    team.run((blocks + blocks_of_job - 1) / blocks_of_job, [&](std::int64_t job, const Worker& worker) {
        auto& counter = counters.of(worker, [&] { return Counter<Code>(votes); });
        const std::int64_t first = job * blocks_of_job, end = std::min(first + blocks_of_job, blocks);
        for (std::int64_t block = first; block < end && !worker.stopped(); ++block)
            groups[static_cast<std::size_t>(block)] = counter.count(block, notes);
    });
    std::vector<std::int64_t> count(std::size_t{1} << votes.size());
    std::int64_t inside = 0, marked = 0, distinct = 0;
    counters.each([&](const Counter<Code>& counter) {
        inside += counter.inside();
        for (std::size_t code = 1; code < count.size(); ++code)
            count[code] += counter.of(code);
    });
    for (const std::int64_t voxels : count) {
        marked += voxels;
        distinct += voxels > 0;
    }
    if (distinct > capacity) return std::nullopt;
    count[0] = inside - marked;
    std::vector<std::int32_t> row_of_code(std::size_t{1} << bits_of(votes), -1);
    Tabulation tabulation = in_order(votes.size(), count, row_of_code);
    if (notes)
        tabulation.index = std::make_unique<CodeIndex<Code>>(*notes, votes.voxels(), std::move(groups),
                                                             std::move(row_of_code));
    return tabulation;
}

} // namespace

std::optional<Tabulation> find_patterns(const Votes& votes, const Output* notes, std::int64_t capacity,
                                        const Team& team) {
    return bits_of(votes) <= 8 ? by_codes<std::uint8_t>(votes, notes, capacity, team)
                               : by_codes<std::uint16_t>(votes, notes, capacity, team);
}

} // namespace fastfuse::masks
