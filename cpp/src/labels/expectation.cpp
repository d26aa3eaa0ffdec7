#include "labels/expectation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

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
        switch (voters_) {
        case 1: return multiply_by<1>(code, n, weight);
        case 2: return multiply_by<2>(code, n, weight);
        case 3: return multiply_by<3>(code, n, weight);
        case 4: return multiply_by<4>(code, n, weight);
        case 5: return multiply_by<5>(code, n, weight);
        case 6: return multiply_by<6>(code, n, weight);
        case 7: return multiply_by<7>(code, n, weight);
        default: break;
        }
        for (std::int64_t k = 0; k < n; ++k) {
            double product = prior_[code[k]];
            for (std::size_t v = 0; v < voters_; ++v)
                product *= of_votes_[v][code[k]];
            weight[k] = product;
        }
    }

    // Of so many voters: the loop over them is unrolled.
    template <std::size_t voters> void multiply_by(const Code* code, std::int64_t n, double* weight) const {
        std::array<const double*, voters> of_votes;
        std::copy_n(of_votes_.begin(), voters, of_votes.begin());
        const double* prior = prior_.data();
        for (std::int64_t k = 0; k < n; ++k) {
            const std::size_t a = code[k];
            double product = prior[a];
            for (const double* of_vote : of_votes)
                product *= of_vote[a];
            weight[k] = product;
        }
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

// Calls `row(r, codes, n, weights)` for the rows of one job.
template <class OfRow>
void walk(const LabelTable& table, RowTruths& truths, std::int64_t job, const Worker& worker,
          const OfRow& of_row) {
    Pace pace(worker);
    const std::int64_t end = std::min((job + 1) * rows_of_job, table.size());
    for (std::int64_t r = job * rows_of_job; r < end; ++r) {
        const std::int64_t first = truths.first[static_cast<std::size_t>(r)];
        const std::int64_t n = truths.first[static_cast<std::size_t>(r) + 1] - first;
        of_row(r, truths.code.data() + first, n, truths.weight.data() + first);
        if (pace.stopped_after(n)) return;
    }
}

std::int64_t jobs_of(const LabelTable& table) { return (table.size() + rows_of_job - 1) / rows_of_job; }

} // namespace

void LabelSums::add(const LabelSums& part) {
    log_likelihood += part.log_likelihood;
    mass.resize(part.mass.size());
    for (std::size_t a = 0; a < mass.size(); ++a)
        mass[a] += part.mass[a];
}

LabelSums expectation(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
                      RowTruths& truths, const Team& team) {
    const auto make = [&] {
        return [&, row = Row(table, theta, prior)](std::int64_t job, const Worker& worker) mutable {
            LabelSums sums;
            sums.mass.resize(prior.size());
            walk(table, truths, job, worker,
                 [&](std::int64_t r, const Code* code, std::int64_t n, double* weight) {
                     const double count = table.counts[static_cast<std::size_t>(r)];
                     const double part = count / row.find(r, code, n, weight);
                     sums.log_likelihood += count * row.log_sum;
                     for (std::int64_t k = 0; k < n; ++k) {
                         weight[k] *= part; // c w(a), w(a) ∝ π(a) Π_i θ_i[a, b_i]
                         sums.mass[code[k]] += weight[k];
                     }
                 });
            return sums;
        };
    };
    LabelSums none;
    none.mass.resize(prior.size());
    return sum_over_jobs(jobs_of(table), team, std::move(none), make);
}

void posterior(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
               RowTruths& truths, const Team& team) {
    PerThread<Row> rows(team);
    team.run(jobs_of(table), [&](std::int64_t job, const Worker& worker) {
        Row& row = rows.of(worker, [&] { return Row(table, theta, prior); });
        walk(table, truths, job, worker,
             [&](std::int64_t r, const Code* code, std::int64_t n, double* weight) {
                 const double sum = row.find(r, code, n, weight);
                 for (std::int64_t k = 0; k < n; ++k)
                     weight[k] /= sum;
             });
    });
}

void count(const LabelTable& table, const RowTruths& truths, int rater, double* counts,
           const Worker& worker) {
    const Code* votes = table.codes_of(rater);
    const std::size_t labels = table.kinds();
    const std::int64_t rows = table.size();
    const std::int64_t* first = truths.first.data();
    const Code* code = truths.code.data();
    const double* weight = truths.weight.data();
    Pace pace(worker);
    for (std::int64_t r = 0; r < rows; ++r) {
        if (votes[r] == no_code) continue;
        double* of_vote = counts + votes[r] * labels;
        const std::int64_t end = first[r + 1];
        for (std::int64_t k = first[r]; k < end; ++k)
            of_vote[code[k]] += weight[k];
        if (pace.stopped_after(end - first[r])) return;
    }
}

} // namespace fastfuse
