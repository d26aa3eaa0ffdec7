#include "fastfuse/enumerate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "fastfuse/simd.hpp"

namespace fastfuse {
namespace {

constexpr int low_raters = 10; // whose terms are laid out in memory, 2^10 at a time
constexpr std::size_t low_terms = std::size_t{1} << low_raters;

constexpr int raters_between_scalings = 16;
constexpr std::size_t terms_between_polls = std::size_t{1} << 14;

using Terms = std::array<double, low_terms>;

bool is_fractional(double vote) { return vote != 0 && vote != 1; }

// Appends one rater to the products over subsets: entries with his bit set follow those without.
void branch(double* product, std::size_t n, double no, double yes) {
    for (std::size_t b = 0; b < n; ++b) {
        product[n + b] = product[b] * yes;
        product[b] *= no;
    }
}

// w, 1 − w and the evidence of n binary patterns that share the factors of their remaining raters.
FASTFUSE_CLONES void weigh_terms(std::size_t n, const double* weight, const double* one, const double* zero,
                                 double weight_factor, double one_factor, double zero_factor, double* w,
                                 double* u, double* evidence) {
    for (std::size_t b = 0; b < n; ++b) {
        const double x = one[b] * one_factor;
        const double y = zero[b] * zero_factor;
        evidence[b] = x + y;
        w[b] = weight[b] * weight_factor * x / evidence[b];
        u[b] = weight[b] * weight_factor * y / evidence[b];
    }
}

double sum(const double* values, std::size_t n) {
    double total = 0;
    for (std::size_t k = 0; k < n; ++k)
        total += values[k];
    return total;
}

// Asks whether to stop once in a while, measured in work done.
class Pace {
  public:
    explicit Pace(const Worker& worker) : worker_(worker) {}
    bool stopped_after(std::size_t terms) {
        done_ += terms;
        if (done_ < terms_between_polls) return false;
        done_ = 0;
        return worker_.stopped();
    }

  private:
    const Worker& worker_;
    std::size_t done_ = 0;
};

// The binary patterns of one row after another.
class RowTerms {
  public:
    RowTerms(const Batch& batch, const Performance& performance) : batch_(batch), theta_(performance) {}

    struct Answer {
        double foreground = 0, background = 0, log_likelihood = 0;
    };

    std::size_t terms() const { return std::size_t{1} << fractional_; }

    Answer enumerate(std::int64_t row, Sums* sums) {
        row_ = row;
        count_ = batch_.count[row];
        sums_ = sums;
        answer_ = Answer();
        const double log_scale = begin();
        lay_out_low_raters();
        const std::size_t high = fractional_ - low_;
        for (std::size_t pattern = 0; pattern >> high == 0; ++pattern)
            add_terms(pattern);
        if (sums_) add_binary_raters();
        answer_.log_likelihood += log_scale;
        return answer_;
    }

  private:
    double vote(std::size_t rater) const { return batch_.votes_of(static_cast<int>(rater))[row_]; }

    // Multiplies the raters with binary votes together and lists the others. Returns the logarithm of
    // what was divided out lest the products underflow.
    double begin() {
        one_ = batch_.prior ? batch_.prior[row_] : theta_.prior;
        zero_ = 1 - one_;
        fractional_ = 0;
        double log_scale = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(batch_.raters); ++i) {
            if (is_fractional(vote(i))) {
                branching_[fractional_++] = i;
                continue;
            }
            one_ *= vote(i) == 1 ? theta_.sensitivity[i] : theta_.miss_rate[i];
            zero_ *= vote(i) == 1 ? theta_.false_alarm_rate[i] : theta_.specificity[i];
            if ((i + 1) % raters_between_scalings == 0) log_scale += scale();
        }
        low_ = std::min<std::size_t>(fractional_, low_raters);
        return log_scale;
    }

    double scale() {
        const double larger = std::max(one_, zero_);
        one_ /= larger;
        zero_ /= larger;
        return std::log(larger);
    }

    void lay_out_low_raters() {
        weight_[0] = one_term_[0] = zero_term_[0] = 1;
        for (std::size_t j = 0; j < low_; ++j) {
            const std::size_t i = branching_[j];
            const std::size_t n = std::size_t{1} << j;
            branch(weight_.data(), n, 1 - vote(i), vote(i));
            branch(one_term_.data(), n, theta_.miss_rate[i], theta_.sensitivity[i]);
            branch(zero_term_.data(), n, theta_.specificity[i], theta_.false_alarm_rate[i]);
        }
    }

    // The patterns in which the raters beyond the low ones vote as the bits of `high` say.
    void add_terms(std::size_t high) {
        double weight = 1, one = one_, zero = zero_;
        for (std::size_t j = low_; j < fractional_; ++j) {
            const std::size_t i = branching_[j];
            const bool yes = high >> (j - low_) & 1;
            weight *= yes ? vote(i) : 1 - vote(i);
            one *= yes ? theta_.sensitivity[i] : theta_.miss_rate[i];
            zero *= yes ? theta_.false_alarm_rate[i] : theta_.specificity[i];
        }
        const std::size_t n = std::size_t{1} << low_;
        weigh_terms(n, weight_.data(), one_term_.data(), zero_term_.data(), weight, one, zero, w_.data(),
                    u_.data(), evidence_.data());
        double log_likelihood = 0;
        for (std::size_t b = 0; b < n; ++b)
            log_likelihood += weight_[b] * std::log(evidence_[b]);
        const double foreground = sum(w_.data(), n), background = sum(u_.data(), n); // eq. (9)
        answer_.foreground += foreground;
        answer_.background += background;
        answer_.log_likelihood += weight * log_likelihood;
        if (!sums_) return;
        for (std::size_t j = low_; j < fractional_; ++j)
            add_rater(branching_[j], high >> (j - low_) & 1, foreground, background);
        fold_low_raters();
    }

    void add_rater(std::size_t i, bool yes, double foreground, double background) {
        (yes ? sums_->hit : sums_->miss)[i] += count_ * foreground;
        (yes ? sums_->false_alarm : sums_->rejection)[i] += count_ * background;
    }

    // The sum over the patterns with, and without, each low rater's bit: halves folded upon each other.
    void fold_low_raters() {
        for (std::size_t j = low_; j-- > 0;) {
            const std::size_t half = std::size_t{1} << j;
            add_rater(branching_[j], false, sum(w_.data(), half), sum(u_.data(), half));
            add_rater(branching_[j], true, sum(w_.data() + half, half), sum(u_.data() + half, half));
            for (std::size_t b = 0; b < half; ++b) {
                w_[b] += w_[half + b];
                u_[b] += u_[half + b];
            }
        }
    }

    void add_binary_raters() {
        for (std::size_t i = 0; i < static_cast<std::size_t>(batch_.raters); ++i)
            if (!is_fractional(vote(i))) add_rater(i, vote(i) == 1, answer_.foreground, answer_.background);
    }

    const Batch& batch_;
    const Performance& theta_;
    std::int64_t row_ = 0;
    double count_ = 0;
    Sums* sums_ = nullptr;
    Answer answer_;
    double one_ = 0, zero_ = 0; // π Π a_i1 and (1 − π) Π a_i0 over the binary votes, scaled
    std::size_t fractional_ = 0, low_ = 0;
    std::array<std::size_t, most_fractional> branching_{}; // raters with fractional votes
    Terms weight_, one_term_, zero_term_;                  // q(B), Π a_i1, Π a_i0 over the low raters
    Terms w_, u_, evidence_;
};

FASTFUSE_CLONES void add_scaled(std::size_t n, const double* from, double factor, double* to) {
    for (std::size_t b = 0; b < n; ++b)
        to[b] += factor * from[b];
}

FASTFUSE_CLONES void interpolate(double* no, const double* yes, double q, std::size_t n) {
    for (std::size_t b = 0; b < n; ++b)
        no[b] = (1 - q) * no[b] + q * yes[b];
}

// How the masses' one pass is cut into jobs, the same for every team: few raters leave room for several
// tables, each fed by its share of the batches; with many, each job fills the patterns that begin with
// its own bits of the last raters.
struct Cut {
    explicit Cut(int raters)
        : tables(raters <= 10 ? 16 : 1), high(raters <= 10 ? 0 : 4), low(raters - high) {}
    int tables, high, low;
    std::int64_t jobs() const { return tables * (std::int64_t{1} << high); }
};

// What the raters beyond the low ones give a row in the patterns whose last bits are `high`.
double high_weight(const Batch& batch, std::int64_t row, const Cut& cut, std::size_t high) {
    double weight = 1;
    for (int j = 0; j < cut.high; ++j) {
        const double q = batch.votes_of(cut.low + j)[row];
        weight *= high >> j & 1 ? q : 1 - q;
    }
    return weight;
}

} // namespace

// The binary patterns that a soft pattern reaches among those of the first `raters` raters, with weights.
class Spread {
  public:
    explicit Spread(int raters) : raters_(raters), weight(std::size_t{1} << raters), pattern(weight.size()) {}

    // Starts from `whole` and lets each fractional vote divide it.
    void spread(const Batch& batch, std::int64_t row, double whole) {
        size = 1;
        weight[0] = whole;
        pattern[0] = 0;
        for (int i = 0; i < raters_; ++i) {
            const double q = batch.votes_of(i)[row];
            const std::size_t bit = std::size_t{1} << i;
            if (is_fractional(q)) {
                branch(weight.data(), size, 1 - q, q);
                for (std::size_t b = 0; b < size; ++b)
                    pattern[size + b] = pattern[b] | bit;
                size *= 2;
            } else if (q == 1) {
                for (std::size_t b = 0; b < size; ++b)
                    pattern[b] |= bit;
            }
        }
    }

    // Adds the terms, times a factor, to a table over the patterns.
    void add_to(double* table, double factor) const {
        if (size == weight.size()) return add_scaled(size, weight.data(), factor, table);
        for (std::size_t b = 0; b < size; ++b)
            table[pattern[b]] += factor * weight[b];
    }

  private:
    int raters_;

  public:
    std::size_t size = 0;
    std::vector<double> weight;
    std::vector<std::size_t> pattern;
};

int fractional_votes(const Batch& batch, std::int64_t row) {
    int n = 0;
    for (int i = 0; i < batch.raters; ++i)
        n += is_fractional(batch.votes_of(i)[row]);
    return n;
}

void enumerated_posterior(const Batch& batch, const Performance& performance, Posterior& posterior,
                          Sums* sums, const Worker& worker) {
    const auto terms = std::make_unique<RowTerms>(batch, performance);
    Pace pace(worker);
    for (std::int64_t row = 0; row < batch.rows; ++row) {
        const RowTerms::Answer answer = terms->enumerate(row, sums);
        const auto r = static_cast<std::size_t>(row);
        posterior.foreground[r] = answer.foreground;
        posterior.background[r] = answer.background;
        posterior.log_likelihood[r] = answer.log_likelihood;
        if (pace.stopped_after(terms->terms())) return;
    }
}

Masses::Masses(const Rows& rows, bool with_moments, const Team& team)
    : raters_(rows.raters()), with_moments_(with_moments) {
    const Cut cut(raters_);
    std::vector<std::vector<double>> tables(static_cast<std::size_t>(cut.tables));
    for (auto& table : tables)
        table.resize(patterns() * (with_moments ? static_cast<std::size_t>(raters_) + 1 : 1));
    team.run(cut.jobs(), [&](std::int64_t job, const Worker& worker) {
        const std::int64_t first = job % cut.tables;
        const auto high = static_cast<std::size_t>(job / cut.tables);
        double* table = tables[static_cast<std::size_t>(first)].data() + (high << cut.low);
        const auto reader = rows.reader();
        Spread terms(cut.low);
        Pace pace(worker);
        for (std::int64_t index = first; index < rows.batches() && !worker.stopped(); index += cut.tables) {
            const Batch batch = reader->read(index);
            for (std::int64_t row = 0; row < batch.rows; ++row) {
                const double weight = batch.count[row] * high_weight(batch, row, cut, high);
                if (weight == 0) continue;
                terms.spread(batch, row, weight);
                add_row(batch, row, terms, table);
                if (pace.stopped_after(terms.size * batch.raters)) return;
            }
        }
    });
    for (std::size_t t = 1; t < tables.size(); ++t) // in this order for every team
        add_scaled(tables[0].size(), tables[t].data(), 1, tables[0].data());
    table_ = std::move(tables[0]);
}

void Masses::add_row(const Batch& batch, std::int64_t row, const Spread& terms, double* table) const {
    terms.add_to(table, 1); // eq. (8)
    if (!with_moments_) return;
    for (int i = 0; i < raters_; ++i) {
        const double q = batch.votes_of(i)[row];
        if (q != 0) terms.add_to(table + static_cast<std::size_t>(i + 1) * patterns(), q);
    }
}

namespace {

// The 2^m patterns, batch_rows at a time, their bits written out as votes.
class MassReader : public BatchReader {
  public:
    MassReader(int raters, const double* mass, const double* moment)
        : raters_(raters), mass_(mass), moment_(moment),
          vote_(static_cast<std::size_t>(raters * batch_rows)) {}

    Batch read(std::int64_t index) override {
        const std::int64_t patterns = std::int64_t{1} << raters_;
        const std::int64_t first = index * batch_rows;
        Batch batch;
        batch.raters = raters_;
        batch.rows = std::min(batch_rows, patterns - first);
        batch.stride = batch_rows;
        for (int i = 0; i < raters_; ++i)
            for (std::int64_t r = 0; r < batch.rows; ++r)
                vote_[static_cast<std::size_t>(i * batch_rows + r)] = (first + r) >> i & 1 ? 1.0 : 0.0;
        batch.vote = vote_.data();
        batch.count = mass_ + first;
        batch.moment = moment_ ? moment_ + first : nullptr;
        batch.moment_stride = patterns;
        return batch;
    }

  private:
    int raters_;
    const double* mass_;
    const double* moment_;
    std::vector<double> vote_;
};

} // namespace

std::int64_t Masses::batches() const {
    return (static_cast<std::int64_t>(patterns()) + batch_rows - 1) / batch_rows;
}

std::unique_ptr<BatchReader> Masses::reader() const {
    const double* moment = with_moments_ ? table_.data() + patterns() : nullptr;
    return std::make_unique<MassReader>(raters_, table_.data(), moment);
}

void Masses::become_posterior(const Performance& performance) {
    const auto rows = reader();
    Posterior posterior;
    for (std::int64_t index = 0; index < batches(); ++index) {
        const Batch batch = rows->read(index);
        product_posterior(batch, performance, posterior);
        std::copy_n(posterior.foreground.begin(), batch.rows, table_.begin() + index * batch_rows);
    }
}

void Masses::mix(const Batch& batch, Posterior& posterior) const {
    std::vector<double> value(patterns());
    Spread reached(raters_);
    for (std::int64_t row = 0; row < batch.rows; ++row) {
        reached.spread(batch, row, 1);
        for (std::size_t b = 0; b < reached.size; ++b)
            value[b] = table_[reached.pattern[b]];
        // Σ_B q(B) p(1|B) is linear in each q_i: one interpolation a fractional rater, the last one first.
        std::size_t size = reached.size;
        for (int i = raters_; i-- > 0;) {
            const double q = batch.votes_of(i)[row];
            if (!is_fractional(q)) continue;
            size /= 2;
            interpolate(value.data(), value.data() + size, q, size);
        }
        posterior.foreground[static_cast<std::size_t>(row)] = value[0]; // eq. (9)
    }
}

} // namespace fastfuse
