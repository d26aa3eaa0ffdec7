#include "engines/map/writer.hpp"

#include <algorithm>
#include <array>

#include "engines/map/priors.hpp"
#include "support/runs.hpp"
#include "support/simd.hpp"

namespace fastfuse::map {
namespace {

constexpr std::size_t lanes = 8;
constexpr auto group_size = static_cast<std::size_t>(group_voxels);

// Of a group of voxels, and of some lanes of it.
using Group = std::array<double, group_size>;
struct Extremes {
    Extremes() {
        low.fill(1);
        high.fill(0);
    }
    std::array<double, lanes> low{}, high{};
};

// A whole group without votes.
FASTFUSE_CLONES void find_empty(const double* prior, double a, double b, Group& w, Extremes& extremes) {
    for (std::size_t k = 0; k < group_size; ++k) {
        const double x = prior[k] * a;
        w[k] = x / (x + (1 - prior[k]) * b);
    }
    for (std::size_t k = 0; k < group_size; k += lanes)
        for (std::size_t j = 0; j < lanes; ++j) {
            extremes.low[j] = w[k + j] < extremes.low[j] ? w[k + j] : extremes.low[j];
            extremes.high[j] = w[k + j] > extremes.high[j] ? w[k + j] : extremes.high[j];
        }
}

double find_one(const Terms& terms, std::size_t row, double prior) {
    double w = 0;
    for (std::size_t k = terms.begin[row]; k < terms.begin[row + 1]; ++k) {
        const double x = prior * terms.one[k];
        w += terms.weight[k] * (x / (x + (1 - prior) * terms.zero[k]));
    }
    return std::min(w, 1.0); // the weights sum to 1, except for rounding
}

// Scratch of one thread.
class Writer {
  public:
    Writer(const Votes& votes, const Tabulation& table, const Terms& terms, const Output& to)
        : table_(table), terms_(terms), to_(to), priors_(votes),
          row_(static_cast<std::size_t>(block_voxels)) {}

    void write(std::int64_t block) {
        const UniformGroups uniform = table_.index->rows_of_block(block, row_.data());
        priors_.read(block);
        for (std::int64_t begin = 0, g = 0; begin < priors_.voxels(); begin += group_voxels, ++g) {
            const std::int64_t n = std::min(group_voxels, priors_.voxels() - begin);
            const std::int64_t first = block * block_voxels + begin;
            if (uniform.outside >> g & 1) {
                to_.fill(first, n, 0);
                continue;
            }
            const bool is_empty = uniform.zero >> g & 1;
            const bool is_whole = is_empty && n == group_voxels && is_read(0);
            const bool is_one = is_whole && priors_.are_one(begin, n);
            const double* prior = priors_.values(begin, is_one ? 1 : n);
            if (is_one)
                find_constant(*prior);
            else if (is_whole)
                find_empty(prior, terms_.one[0], terms_.zero[0], w_, extremes_);
            else
                find_group(prior, is_empty ? nullptr : row_.data() + begin, n);
            if (!is_one) last_ = none;
            put(first, n);
        }
    }

    Range range() const {
        Range range;
        for (std::size_t j = 0; j < lanes; ++j) {
            range.lowest = std::min(range.lowest, extremes_.low[j]);
            range.highest = std::max(range.highest, extremes_.high[j]);
        }
        return range;
    }

  private:
    static constexpr double none = 0; // no prior

    bool is_read(std::size_t row) const { return table_.table.counts()[row] > 0; }

    // A whole group of one prior; w_ may hold theirs.
    void find_constant(double prior) {
        if (prior == last_) return;
        last_ = prior;
        Group priors;
        priors.fill(prior);
        find_empty(priors.data(), terms_.one[0], terms_.zero[0], w_, extremes_);
    }

    // `row`: null where all voxels are of row 0.
    void find_group(const double* prior, const std::int32_t* row, std::int64_t n) {
        for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k) {
            w_[k] = 0;
            if (row && row[k] < 0) continue;
            const std::size_t r = row ? static_cast<std::size_t>(row[k]) : 0;
            w_[k] = find_one(terms_, r, prior[k]);
            if (!is_read(r)) continue;
            extremes_.low[0] = std::min(extremes_.low[0], w_[k]);
            extremes_.high[0] = std::max(extremes_.high[0], w_[k]);
        }
    }

    void put(std::int64_t first, std::int64_t n) const {
        if (to_.wide) return put_as(to_.place<double>(first), n);
        put_as(to_.place<float>(first), n);
    }

    template <class T> void put_as(T* to, std::int64_t n) const {
        std::transform(w_.begin(), w_.begin() + n, to, [](double w) { return static_cast<T>(w); });
    }

    const Tabulation& table_;
    const Terms& terms_;
    const Output& to_;
    Priors priors_;
    std::vector<std::int32_t> row_;
    Group w_{};
    double last_ = none; // the one prior of the group whose w were found last
    Extremes extremes_;
};

} // namespace

Range write(const Votes& votes, const Tabulation& table, const Terms& terms, const Output& to,
            const Team& team) {
    PerThread<Writer> writers(team);
    in_runs(block_count(votes), team, [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        Writer& writer = writers.of(worker, [&] { return Writer(votes, table, terms, to); });
        for (std::int64_t block = first; block < end; ++block)
            writer.write(block);
    });
    Range range;
    writers.each([&](const Writer& writer) { range.include(writer.range()); });
    return range;
}

} // namespace fastfuse::map
