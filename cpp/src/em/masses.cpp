#include "em/masses.hpp"

#include <algorithm>
#include <climits>

#include "em/mass_shares.hpp"
#include "em/spread.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

FASTFUSE_CLONES void add_scaled(std::size_t n, const double* from, double factor, double* to) {
    for (std::size_t b = 0; b < n; ++b)
        to[b] += factor * from[b];
}

FASTFUSE_CLONES void interpolate(double* no, const double* yes, double q, std::size_t n) {
    for (std::size_t b = 0; b < n; ++b)
        no[b] = (1 - q) * no[b] + q * yes[b];
}

constexpr int few_raters = 10; // at most: a table stays in a core's own cache

// Sixteen tables, each for its share of the batches, where they fit; fewer in strips, each of which reads its
// share again.
MassShares shares_of(int raters, std::size_t table_size) {
    constexpr std::size_t most_bytes = 1 << 24;
    MassShares split{raters, 0, 16};
    for (; split.shares > 1; split.shares /= 2, ++split.strip_raters)
        if (static_cast<std::size_t>(split.shares) * table_size * sizeof(double) <= most_bytes) break;
    return split;
}

// Product of the weights that the strip's raters give a row.
double strip_weight(const Batch& batch, std::int64_t row, const MassShares& split, std::int64_t strip) {
    double weight = 1;
    for (int j = 0; j < split.strip_raters; ++j) {
        const double q = batch.votes_of(split.other_raters() + j)[row];
        weight *= strip >> j & 1 ? q : 1 - q;
    }
    return weight;
}

// Adds the terms, times a factor, to a table over the patterns.
void add_to(double* table, const Spread& terms, double factor) {
    if (terms.is_whole()) return add_scaled(terms.size(), terms.weight(), factor, table);
    for (std::size_t b = 0; b < terms.size(); ++b)
        table[terms.pattern()[b]] += factor * terms.weight()[b];
}

// Adds a row's terms to the masses and, with moments, to each rater's moments. `patterns`: size of each.
void add_row(const Batch& batch, std::int64_t row, const Spread& terms, bool with_moments,
             std::size_t patterns, double* table) {
    add_to(table, terms, 1); // eq. (8)
    if (!with_moments) return;
    for (int i = 0; i < batch.raters; ++i) {
        const double q = batch.votes_of(i)[row];
        if (q != 0) add_to(table + static_cast<std::size_t>(i + 1) * patterns, terms, q);
    }
}

} // namespace

Masses::Masses(const Rows& rows, bool with_moments, const Team& team)
    : raters_(rows.raters()), with_moments_(with_moments) {
    const std::size_t size = patterns() * (with_moments ? static_cast<std::size_t>(raters_) + 1 : 1);
    const MassShares split = shares_of(raters_, size);
    const auto fill = [&](std::int64_t share, std::int64_t strip, double* table, const Worker& worker) {
        const auto reader = rows.reader();
        Spread terms(split.other_raters());
        Pace pace(worker);
        for (std::int64_t index = share; index < rows.batches() && !worker.stopped(); index += split.shares) {
            const Batch batch = reader->read(index);
            for (std::int64_t row = 0; row < batch.rows; ++row) {
                const double weight = batch.count[row] * strip_weight(batch, row, split, strip);
                if (weight == 0) continue;
                terms.spread(batch, row, weight);
                add_row(batch, row, terms, with_moments_, patterns(),
                        table + (strip << split.other_raters()));
                if (pace.stopped_after(static_cast<std::int64_t>(terms.size()) * batch.raters)) return;
            }
        }
    };
    table_ = gather_tables(split, size, team, fill);
}

Masses::Masses(int raters, std::vector<double> table)
    : raters_(raters), with_moments_(table.size() > std::size_t{1} << raters), table_(std::move(table)) {}

namespace {

// The 2^m patterns as rows, batch_rows at a time: bit i is the vote of rater i.
class MassReader : public BatchReader {
  public:
    MassReader(int raters, const double* mass, const double* moment)
        : raters_(raters), patterns_(std::int64_t{1} << raters), rows_(std::min(batch_rows, patterns_)),
          mass_(mass), moment_(moment), vote_(static_cast<std::size_t>(raters * rows_)) {}

    Batch read(std::int64_t index) override {
        const std::int64_t first = index * batch_rows;
        Batch batch;
        batch.raters = raters_;
        batch.rows = std::min(batch_rows, patterns_ - first);
        batch.stride = rows_;
        for (int i = 0; i < raters_; ++i)
            for (std::int64_t r = 0; r < batch.rows; ++r)
                vote_[static_cast<std::size_t>(i * rows_ + r)] = (first + r) >> i & 1 ? 1.0 : 0.0;
        batch.vote = vote_.data();
        batch.count = mass_ + first;
        batch.moment = moment_ ? moment_ + first : nullptr;
        batch.moment_stride = patterns_;
        return batch;
    }

  private:
    int raters_;
    std::int64_t patterns_, rows_; // rows of the longest batch
    const double* mass_;
    const double* moment_;
    std::vector<double> vote_;
};

} // namespace

std::int64_t Masses::whole_batches() const {
    return (static_cast<std::int64_t>(patterns()) + batch_rows - 1) / batch_rows;
}

std::int64_t Masses::batches() const { return whole_batches() + static_cast<std::int64_t>(partial_.size()); }

std::int64_t Masses::rows() const {
    auto rows = static_cast<std::int64_t>(patterns());
    for (const PartialBatch& batch : partial_)
        rows += batch.rows;
    return rows;
}

// Batches of all votes, then those with missing votes.
class Masses::Reader : public BatchReader {
  public:
    explicit Reader(const Masses& masses)
        : masses_(masses), whole_(masses.raters_, masses.table_.data(),
                                  masses.with_moments_ ? masses.table_.data() + masses.patterns() : nullptr) {
    }

    Batch read(std::int64_t index) override {
        if (index < masses_.whole_batches()) return whole_.read(index);
        const PartialBatch& from =
            masses_.partial_[static_cast<std::size_t>(index - masses_.whole_batches())];
        Batch batch;
        batch.raters = masses_.raters_;
        batch.rows = from.rows;
        batch.stride = batch.moment_stride = batch_rows;
        batch.vote = from.vote.data();
        batch.count = from.mass.data();
        batch.moment = from.moment.empty() ? nullptr : from.moment.data();
        batch.may_miss = true;
        return batch;
    }

  private:
    const Masses& masses_;
    MassReader whole_;
};

std::unique_ptr<BatchReader> Masses::reader() const { return std::make_unique<Reader>(*this); }

void Masses::add_partial(const std::vector<std::size_t>& raters, const std::vector<double>& table) {
    const std::size_t size = std::size_t{1} << raters.size();
    std::vector<double> vote(static_cast<std::size_t>(raters_), missing_vote);
    std::vector<double> moment(with_moments_ ? vote.size() : 0);
    for (std::size_t b = 0; b < size; ++b) {
        if (table[b] == 0) continue;
        for (std::size_t k = 0; k < raters.size(); ++k) {
            vote[raters[k]] = static_cast<double>(b >> k & 1);
            if (with_moments_) moment[raters[k]] = table[(k + 1) * size + b];
        }
        add_partial_row(vote, table[b], moment);
    }
}

void Masses::add_partial_row(const std::vector<double>& vote, double mass,
                             const std::vector<double>& moment) {
    constexpr auto stride = static_cast<std::size_t>(batch_rows);
    if (partial_.empty() || partial_.back().rows == batch_rows) {
        PartialBatch& made = partial_.emplace_back();
        made.vote.resize(vote.size() * stride);
        made.mass.resize(stride);
        made.moment.resize(moment.size() * stride);
    }
    PartialBatch& to = partial_.back();
    const auto row = static_cast<std::size_t>(to.rows++);
    to.mass[row] = mass;
    for (std::size_t i = 0; i < vote.size(); ++i)
        to.vote[i * stride + row] = vote[i];
    for (std::size_t i = 0; i < moment.size(); ++i)
        to.moment[i * stride + row] = moment[i];
}

void Masses::become_posterior(const Performance& performance, Watch& watch) {
    const auto rows = reader();
    Posterior posterior;
    for (std::int64_t index = 0; index < whole_batches(); ++index) {
        watch.look();
        const Batch batch = rows->read(index);
        product_posterior(batch, performance, posterior);
        std::copy_n(posterior.foreground.begin(), batch.rows, table_.begin() + index * batch_rows);
    }
    table_.resize(patterns());
    table_.shrink_to_fit();
    partial_.clear();
    with_moments_ = false;
}

int Mixer::most(int raters) {
    // A mixer takes 12 bytes a pattern. The moments, 8 m bytes a pattern, have just been freed.
    return raters <= few_raters ? INT_MAX : std::max(1, 8 * raters / 12);
}

// Lists the binary patterns of a row. Patterns with a later rater's bit follow those without it.
std::size_t Mixer::reach(const Batch& batch, std::int64_t row) {
    const std::size_t reached = std::size_t{1} << fractional_votes(batch, row);
    if (pattern_.size() < reached) {
        pattern_.resize(reached);
        value_.resize(reached);
    }
    std::size_t size = 1;
    pattern_[0] = 0;
    for (int i = 0; i < batch.raters; ++i) {
        const double q = batch.votes_of(i)[row];
        const std::uint32_t bit = std::uint32_t{1} << i;
        if (q == 0) continue;
        for (std::size_t b = 0; b < size; ++b)
            pattern_[q == 1 ? b : size + b] = pattern_[b] | bit;
        if (q != 1) size *= 2;
    }
    return size;
}

void Mixer::mix(const Batch& batch, Posterior& posterior, const Worker& worker) {
    posterior.make_room(batch.rows);
    Pace pace(worker);
    for (std::int64_t row = 0; row < batch.rows; ++row) {
        std::size_t size = reach(batch, row);
        if (pace.stopped_after(static_cast<std::int64_t>(size))) return;
        for (std::size_t b = 0; b < size; ++b)
            value_[b] = masses_.table_[pattern_[b]];
        // Σ_B q(B) p(1|B) is linear in each q_i: one interpolation for each fractional vote, from the last.
        for (int i = batch.raters; i-- > 0;) {
            const double q = batch.votes_of(i)[row];
            if (!is_fractional(q) || size == 1) continue;
            size /= 2;
            interpolate(value_.data(), value_.data() + size, q, size);
        }
        posterior.foreground[static_cast<std::size_t>(row)] = value_[0]; // eq. (9)
    }
}

} // namespace fastfuse
