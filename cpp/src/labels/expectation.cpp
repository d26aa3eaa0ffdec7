#include "labels/expectation.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "labels/products.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t rows_of_job = 1024;
constexpr double least_product = 1e-250; // below it, some product may have lost digits

// The E-step of single rows. Scratch of one thread.
class Row {
  public:
    Row(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior)
        : table_(table), theta_(theta), prior_(prior), of_votes_(static_cast<std::size_t>(table.raters)) {}

    // Sets the n weights to w, times a number that it returns; their log-likelihood is `log_sum`.
    double find(std::int64_t row, const Code* code, std::int64_t n, double* weight) {
        voters_ = 0;
        for (int i = 0; i < table_.raters; ++i)
            if (const Code vote = table_.codes_of(i)[row]; vote != no_code)
                of_votes_[voters_++] = theta_.of_vote(i, vote);
        if (n == static_cast<std::int64_t>(prior_.size()))
            multiply_all(n, weight);
        else
            multiply(code, n, weight);
        double sum = 0;
        for (std::int64_t k = 0; k < n; ++k)
            sum += weight[k];
        if (sum < least_product) return find_by_logs(code, n, weight);
        log_sum = std::log(sum);
        return sum;
    }

    double log_sum = 0;

  private:
    void multiply(const Code* code, std::int64_t n, double* weight) const {
        for (std::int64_t k = 0; k < n; ++k)
            weight[k] = prior_[code[k]];
        for (std::size_t v = 0; v < voters_; ++v)
            for (std::int64_t k = 0; k < n; ++k)
                weight[k] *= of_votes_[v][code[k]];
    }

    void multiply_all(std::int64_t n, double* weight) const {
        std::copy_n(prior_.begin(), n, weight);
        for (std::size_t v = 0; v < voters_; ++v)
            for (std::int64_t k = 0; k < n; ++k)
                weight[k] *= of_votes_[v][k];
    }

    double find_by_logs(const Code* code, std::int64_t n, double* weight) {
        double most = -std::numeric_limits<double>::infinity();
        for (std::int64_t k = 0; k < n; ++k) {
            weight[k] = std::log(prior_[code[k]]);
            for (std::size_t v = 0; v < voters_; ++v)
                weight[k] += std::log(of_votes_[v][code[k]]);
            most = std::max(most, weight[k]);
        }
        log_sum = 0;
        double sum = 0;
        for (std::int64_t k = 0; k < n; ++k) {
            weight[k] = std::isfinite(most) ? std::exp(weight[k] - most) : 0;
            sum += weight[k];
        }
        if (!std::isfinite(most)) return 1;
        log_sum = most + std::log(sum);
        return sum;
    }

    const LabelTable& table_;
    const Matrices& theta_;
    const std::vector<double>& prior_;
    std::vector<const double*> of_votes_; // θ of the votes that are there, of every truth
    std::size_t voters_ = 0;
};

// E-step of rows that name their factors, block by block. Scratch of one thread.
class Blocks {
  public:
    Blocks(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
           const Factors& factors, const std::vector<double>& factor)
        : table_(table), prior_(prior), factors_(factors), factor_(factor), row_(table, theta, prior),
          weight_(static_cast<std::size_t>(rows_of_block * Factors::most_candidates)),
          sum_(static_cast<std::size_t>(rows_of_block)), log_(sum_.size()) {}

    // Adds rows [begin, end) of `factors`, at most rows_of_block.
    void add(std::int64_t begin, std::int64_t end, LabelSums& sums) {
        const std::int64_t first = factors_.first()[static_cast<std::size_t>(begin)];
        const std::int64_t last = factors_.first()[static_cast<std::size_t>(end)];
        multiply(factors_, table_.raters, first, last, factor_.data(), prior_.data(), weight_.data());
        add_up(begin, end, first);
        logarithms(sum_.data(), end - begin, log_.data());
        share(begin, end, first, sums);
        fastfuse::add(factors_, table_.raters, first, last, weight_.data(), sums.counted.data(),
                      sums.mass.data());
    }

    static constexpr std::int64_t rows_of_block = 256;

  private:
    void add_up(std::int64_t begin, std::int64_t end, std::int64_t first) {
        for (std::int64_t r = begin; r < end; ++r) {
            double sum = 0;
            for (std::int64_t k = first_of(r) - first; k < first_of(r + 1) - first; ++k)
                sum += weight_[static_cast<std::size_t>(k)];
            sum_[static_cast<std::size_t>(r - begin)] = sum;
        }
    }

    // w(a) ∝ π(a) Π_i θ_i[a, b_i], times c
    void share(std::int64_t begin, std::int64_t end, std::int64_t first, LabelSums& sums) {
        for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t row = factors_.rows()[static_cast<std::size_t>(r)];
            const double count = table_.counts[static_cast<std::size_t>(row)];
            double* weight = weight_.data() + first_of(r) - first;
            const std::int64_t n = first_of(r + 1) - first_of(r);
            double sum = sum_[static_cast<std::size_t>(r - begin)];
            double log_sum = log_[static_cast<std::size_t>(r - begin)];
            if (sum < least_product) {
                sum = row_.find(row, factors_.code() + first_of(r), n, weight);
                log_sum = row_.log_sum;
            }
            sums.log_likelihood += count * log_sum;
            const double part = count / sum;
            for (std::int64_t k = 0; k < n; ++k)
                weight[k] *= part;
        }
    }

    std::int64_t first_of(std::int64_t r) const { return factors_.first()[static_cast<std::size_t>(r)]; }

    const LabelTable& table_;
    const std::vector<double>& prior_;
    const Factors& factors_;
    const std::vector<double>& factor_;
    Row row_;
    std::vector<double> weight_, sum_, log_;
};

// How to cut the rows that name their factors: each part has sums of its own, which are not to cost much.
class Parts {
  public:
    explicit Parts(const Factors& factors, int raters) : first_(factors.first()) {
        constexpr std::int64_t least_work = 8, most = 8;
        const std::int64_t named = std::int64_t{first_.back()} * raters;
        count_ = std::clamp<std::int64_t>(named / (least_work * static_cast<std::int64_t>(factors.size())), 1,
                                          most);
    }
    std::int64_t count() const { return count_; }
    std::int64_t begin(std::int64_t part) const {
        const auto place =
            std::lower_bound(first_.begin(), first_.end() - 1, std::int64_t{first_.back()} * part / count_);
        return part == count_ ? static_cast<std::int64_t>(first_.size()) - 1 : place - first_.begin();
    }

  private:
    const std::vector<std::uint32_t>& first_;
    std::int64_t count_;
};

LabelSums sums_of(const Factors& factors, std::size_t labels) {
    LabelSums sums;
    sums.mass.resize(labels);
    sums.counted.resize(factors.size());
    return sums;
}

LabelSums of_named(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
                   const Factors& factors, const Team& team) {
    const std::vector<double> factor = factors.of(theta);
    const Parts parts(factors, table.raters);
    const auto make = [&] {
        return [&, blocks = Blocks(table, theta, prior, factors, factor)](std::int64_t part,
                                                                          const Worker& worker) mutable {
            LabelSums sums = sums_of(factors, prior.size());
            Pace pace(worker);
            const std::int64_t end = parts.begin(part + 1);
            for (std::int64_t r = parts.begin(part); r < end; r += Blocks::rows_of_block) {
                const std::int64_t next = std::min(end, r + Blocks::rows_of_block);
                blocks.add(r, next, sums);
                if (pace.stopped_after((next - r) * table.raters)) break;
            }
            return sums;
        };
    };
    return sum_over_jobs(parts.count(), team, sums_of(factors, prior.size()), make);
}

// Of rows with many candidates, whose weights stay in `truths`.
LabelSums of_others(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
                    const Factors& factors, RowTruths& truths, const Team& team) {
    const std::vector<Factors::Row>& rows = factors.other_rows();
    const auto size = static_cast<std::int64_t>(rows.size());
    const auto make = [&] {
        return [&, one = Row(table, theta, prior)](std::int64_t job, const Worker& worker) mutable {
            LabelSums sums;
            sums.mass.resize(prior.size());
            Pace pace(worker);
            for (std::int64_t r = job * rows_of_job; r < std::min((job + 1) * rows_of_job, size); ++r) {
                const std::int64_t row = rows[static_cast<std::size_t>(r)];
                const std::int64_t first = truths.first[static_cast<std::size_t>(row)];
                const std::int64_t n = truths.candidates(row);
                const Code* code = truths.code.data() + first;
                double* weight = truths.weight.data() + first;
                const double count = table.counts[static_cast<std::size_t>(row)];
                const double part = count / one.find(row, code, n, weight);
                sums.log_likelihood += count * one.log_sum;
                for (std::int64_t k = 0; k < n; ++k) {
                    weight[k] *= part;
                    sums.mass[code[k]] += weight[k];
                }
                if (pace.stopped_after(n)) break;
            }
            return sums;
        };
    };
    LabelSums none;
    none.mass.resize(prior.size());
    return sum_over_jobs((size + rows_of_job - 1) / rows_of_job, team, std::move(none), make);
}

} // namespace

void LabelSums::add(const LabelSums& part) {
    log_likelihood += part.log_likelihood;
    for (std::size_t a = 0; a < part.mass.size(); ++a)
        mass[a] += part.mass[a];
    for (std::size_t f = 0; f < part.counted.size(); ++f)
        counted[f] += part.counted[f];
}

LabelSums expectation(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
                      const Factors& factors, RowTruths& truths, const Team& team) {
    LabelSums sums = of_named(table, theta, prior, factors, team);
    if (factors.other_rows().empty()) return sums;
    truths.weight.resize(truths.code.size());
    sums.add(of_others(table, theta, prior, factors, truths, team));
    return sums;
}

void posterior(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
               RowTruths& truths, const Team& team) {
    truths.weight.resize(truths.code.size());
    PerThread<Row> rows(team);
    team.run((table.size() + rows_of_job - 1) / rows_of_job, [&](std::int64_t job, const Worker& worker) {
        Row& one = rows.of(worker, [&] { return Row(table, theta, prior); });
        Pace pace(worker);
        const std::int64_t end = std::min((job + 1) * rows_of_job, table.size());
        for (std::int64_t row = job * rows_of_job; row < end; ++row) {
            const std::int64_t first = truths.first[static_cast<std::size_t>(row)];
            const std::int64_t n = truths.candidates(row);
            double* weight = truths.weight.data() + first;
            const double sum = one.find(row, truths.code.data() + first, n, weight);
            for (std::int64_t k = 0; k < n; ++k)
                weight[k] /= sum;
            if (pace.stopped_after(n)) return;
        }
    });
}

void count(const LabelTable& table, const RowTruths& truths, const std::vector<Factors::Row>& rows, int rater,
           double* counts, const Worker& worker) {
    const Code* votes = table.codes_of(rater);
    const std::size_t labels = table.kinds();
    const std::int64_t* first = truths.first.data();
    const Code* code = truths.code.data();
    const double* weight = truths.weight.data();
    Pace pace(worker);
    for (const Factors::Row row : rows) {
        if (votes[row] == no_code) continue;
        double* of_vote = counts + votes[row] * labels;
        const std::int64_t end = first[row + 1];
        for (std::int64_t k = first[row]; k < end; ++k)
            of_vote[code[k]] += weight[k];
        if (pace.stopped_after(end - first[row])) return;
    }
}

} // namespace fastfuse
