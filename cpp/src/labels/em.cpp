#include "labels/em.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>

namespace fastfuse {
namespace {

class Iteration {
  public:
    Iteration(const LabelTable& table, const LabelOptions& options, const Maximisation& m_step,
              LabelRates rates, double voxels, RowTruths& truths, const Team& team)
        : table_(table), options_(options), m_step_(m_step), voxels_(voxels), truths_(truths), team_(team),
          factors_(table, truths, team.watch()),
          moved_(static_cast<std::size_t>(table.raters) * table.kinds()),
          of_rater_(static_cast<std::size_t>(table.raters)), counts_(team) {
        fit_.rates = std::move(rates);
        fit_.undetermined.resize(moved_.size());
    }

    LabelFit run(std::optional<LabelStartCounts> start) {
        if (start) {
            begin(*start);
            start.reset();
        } else {
            fit_.sums = expect(fit_.rates);
            fit_.converged = step();
        }
        while (goes_on())
            fit_.converged = options_.acceleration == Acceleration::squarem ? accelerated_steps() : step();
        return std::move(fit_);
    }

  private:
    bool goes_on() const {
        return !fit_.converged && static_cast<int>(fit_.log_likelihood.size()) < options_.max_iter;
    }

    LabelSums expect(const LabelRates& rates) {
        return expectation(table_, rates.theta, rates.prior, factors_, truths_, team_);
    }

    // M-step: new rates from what `count(rater, counts, worker)` adds to counts of 0.
    template <class Count> void maximise(const std::vector<double>& mass, const Count& count) {
        const std::size_t labels = table_.kinds();
        team_.run(table_.raters, [&](std::int64_t job, const Worker& worker) {
            const auto rater = static_cast<int>(job);
            auto& counts = counts_.of(worker, [&] { return std::vector<double>(labels * labels); });
            std::fill(counts.begin(), counts.end(), 0.0);
            count(rater, counts.data(), worker);
            const auto place = static_cast<std::size_t>(job) * labels;
            of_rater_[static_cast<std::size_t>(job)] =
                m_step_.maximise(rater, counts.data(), fit_.rates.theta, moved_.data() + place,
                                 fit_.undetermined.data() + place);
        });
        if (options_.estimates_prior)
            for (std::size_t a = 0; a < labels; ++a)
                fit_.rates.prior[a] = mass[a] / voxels_;
    }

    // From the last E-step.
    void maximise() {
        maximise(fit_.sums.mass, [&](int rater, double* counts, const Worker& worker) {
            factors_.add(fit_.sums.counted, rater, counts);
            count(table_, truths_, factors_.other_rows(), rater, counts, worker);
        });
    }

    double move() const { return largest_move(moved_, fit_.sums.mass); }

    // Of rates that no M-step made.
    double log_prior(const LabelRates& rates) {
        team_.run(table_.raters, [&](std::int64_t job, const Worker&) {
            of_rater_[static_cast<std::size_t>(job)] = m_step_.log_prior(static_cast<int>(job), rates.theta);
        });
        return log_prior();
    }
    double log_prior() const { return std::accumulate(of_rater_.begin(), of_rater_.end(), 0.0); }

    void arrive(LabelSums sums, double log_prior_there) {
        fit_.sums = std::move(sums);
        fit_.log_likelihood.push_back(fit_.sums.log_likelihood);
        fit_.log_prior.push_back(log_prior_there);
    }

    void begin(const LabelStartCounts& start) {
        maximise(start.mass, [&](int rater, double* counts, const Worker&) {
            std::copy_n(start.counts.of_rater(rater), start.counts.per_rater(), counts);
        });
        fit_.converged = expect_there();
    }

    // Returns whether the rates have converged.
    bool step() {
        maximise();
        return expect_there();
    }

    bool expect_there() {
        const double prior_there = log_prior();
        arrive(expect(fit_.rates), prior_there);
        return move() <= options_.tol;
    }

    // Two steps, then a jump, kept where the value that EM climbs does not fall. Returns whether the rates
    // have converged.
    bool accelerated_steps() {
        const LabelRates first = fit_.rates;
        if (step()) return true;
        if (!goes_on()) return false;
        const LabelRates second = fit_.rates;
        maximise();
        const double prior_of_third = log_prior();
        if (move() > options_.tol) {
            LabelRates beyond =
                extrapolate(first, second, fit_.rates, fit_.sums.mass, options_.estimates_prior);
            m_step_.restore(beyond.theta);
            LabelSums sums = expect(beyond);
            const double prior_there = log_prior(beyond);
            if (sums.log_likelihood + prior_there >= fit_.reached()) {
                fit_.rates = std::move(beyond);
                arrive(std::move(sums), prior_there);
                return false;
            }
        }
        arrive(expect(fit_.rates), prior_of_third);
        return move() <= options_.tol;
    }

    const LabelTable& table_;
    const LabelOptions& options_;
    const Maximisation& m_step_;
    double voxels_;
    RowTruths& truths_;
    const Team& team_;
    const Factors factors_;
    std::vector<double> moved_;    // at i * K + a
    std::vector<double> of_rater_; // log p(θ_i)
    PerThread<std::vector<double>> counts_;
    LabelFit fit_;
};

} // namespace

bool is_higher(const EmFit& plain, const EmFit& with_jumps) {
    constexpr double slack = 1e-3; // in nats
    return plain.reached() > with_jumps.reached() + slack;
}

double largest_move(const std::vector<double>& moved, const std::vector<double>& mass) {
    constexpr double slack = 1e-9; // a truth of one voxel may sum up to less by rounding
    const double held = std::min(least_mass, *std::max_element(mass.begin(), mass.end())) * (1 - slack);
    double most = 0;
    for (std::size_t k = 0; k < moved.size(); ++k)
        if (mass[k % mass.size()] >= held) most = std::max(most, moved[k]);
    return most;
}

std::vector<double> shares_of(const std::vector<double>& volume, std::size_t labels) {
    const double votes = std::accumulate(volume.begin(), volume.end(), 0.0);
    std::vector<double> shares(labels);
    for (std::size_t k = 0; k < volume.size(); ++k)
        shares[k % labels] += volume[k];
    for (double& share : shares)
        share /= votes;
    return shares;
}

std::vector<double> in_rows(const Matrices& theta, const std::vector<std::uint8_t>& undetermined) {
    const std::size_t labels = theta.labels();
    std::vector<double> confusion(theta.entries().size());
    for (std::size_t k = 0; k < confusion.size(); ++k) {
        const std::size_t i = k / (labels * labels), b = k / labels % labels, a = k % labels;
        confusion[(i * labels + a) * labels + b] =
            undetermined[i * labels + a] ? std::numeric_limits<double>::quiet_NaN() : theta.entries()[k];
    }
    return confusion;
}

LabelFit em(const LabelTable& table, const LabelOptions& options, const Maximisation& m_step,
            LabelRates rates, std::optional<LabelStartCounts> start, double voxels, RowTruths& truths,
            const Team& team) {
    return Iteration(table, options, m_step, std::move(rates), voxels, truths, team).run(std::move(start));
}

} // namespace fastfuse
