// EM on soft votes, M-step first; each iteration reads the votes once.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "labels/maximisation.hpp"
#include "labels/soft/passes.hpp"
#include "labels/soft/step.hpp"

namespace fastfuse {
namespace {

constexpr double least_mass = 1; // voxels; a truth that holds fewer never settles

class SoftIteration {
  public:
    SoftIteration(const SoftVotes& votes, const SoftOptions& options, const SoftSurvey& survey,
                  const Team& team)
        : votes_(votes), options_(options), survey_(survey), team_(team), shares_(shares()),
          m_step_(options.model == SoftModel::mean ? LabelOptions{} : options.common, shares_, {}),
          theta_(votes.size(), votes.labels, 1 / static_cast<double>(votes.labels)),
          prior_(options.common.prior.empty() ? shares_ : options.common.prior),
          moved_(static_cast<std::size_t>(votes.size()) * votes.labels), undetermined_(moved_.size()) {}

    SoftEstimate run() {
        LabelEstimate& found = estimate_.found;
        if (options_.model == SoftModel::mean)
            found.converged = true;
        else {
            SoftSums sums =
                pass(options_.common.start == LabelStart::vote ? SoftTruth::share : SoftTruth::plurality,
                     SoftCounts::paper);
            while (!found.converged && found.iterations < options_.common.max_iter) {
                sums = step(sums);
                found.converged = move(sums.mass) <= options_.common.tol;
            }
        }
        compare();
        found.prior = prior_;
        found.confusion = confusion();
        estimate_.theta = theta_.entries();
        return std::move(estimate_);
    }

  private:
    std::vector<double> shares() const {
        const double votes = std::accumulate(survey_.volume.begin(), survey_.volume.end(), 0.0);
        std::vector<double> shares(votes_.labels);
        for (std::size_t k = 0; k < survey_.volume.size(); ++k)
            shares[k % votes_.labels] += survey_.volume[k];
        for (double& share : shares)
            share /= votes;
        return shares;
    }

    SoftSums pass(SoftTruth truth, SoftCounts counts) const {
        SoftSums sums = sum_over_rows<SoftSums>(votes_, team_, [&] {
            return [counts, step = SoftStep(options_, theta_, prior_, truth)](
                       const SoftRows& rows, SoftSums& part, const Worker& worker) mutable {
                step.find(rows, counts, &part, worker);
            };
        });
        return sums;
    }

    // M-step, then the E-step with the new rates.
    SoftSums step(const SoftSums& sums) {
        const double log_prior = maximise(sums.counts);
        if (options_.common.estimates_prior)
            for (std::size_t a = 0; a < prior_.size(); ++a)
                prior_[a] = sums.mass[a] / survey_.voxels;
        SoftSums next =
            pass(SoftTruth::posterior, options_.m_step == MStep::em ? SoftCounts::em : SoftCounts::paper);
        LabelEstimate& found = estimate_.found;
        found.log_likelihood.push_back(next.log_likelihood);
        found.log_prior.push_back(log_prior);
        ++found.iterations;
        return next;
    }

    double maximise(const std::vector<double>& counts) {
        double log_prior = 0;
        const std::size_t labels = votes_.labels;
        for (int i = 0; i < votes_.size(); ++i) {
            const std::size_t place = static_cast<std::size_t>(i) * labels;
            log_prior += m_step_.maximise(i, counts.data() + place * labels, theta_, moved_.data() + place,
                                          undetermined_.data() + place);
        }
        return log_prior;
    }

    // How far rates moved, of truths that hold a voxel.
    double move(const std::vector<double>& mass) const {
        double most = 0;
        for (std::size_t k = 0; k < moved_.size(); ++k)
            if (mass[k % votes_.labels] >= least_mass) most = std::max(most, moved_[k]);
        return most;
    }

    // Of raters and consensus. The mean's rates are those against it.
    void compare() {
        SoftSums sums = pass(SoftTruth::posterior, SoftCounts::paper);
        LabelEstimate& found = estimate_.found;
        const std::size_t labels = votes_.labels;
        if (options_.model == SoftModel::mean) maximise(sums.counts);
        found.voxels = survey_.voxels;
        found.agreed.resize(moved_.size());
        for (std::size_t k = 0; k < moved_.size(); ++k) {
            const std::size_t i = k / labels, a = k % labels;
            found.agreed[k] = sums.counts[(i * labels + a) * labels + a];
        }
        found.mass = std::move(sums.mass);
        found.seen = std::move(sums.seen);
    }

    std::vector<double> confusion() const {
        const std::size_t labels = votes_.labels;
        std::vector<double> rows(theta_.entries().size());
        for (std::size_t k = 0; k < rows.size(); ++k) {
            const std::size_t i = k / (labels * labels), b = k / labels % labels, a = k % labels;
            rows[(i * labels + a) * labels + b] = undetermined_[i * labels + a]
                                                      ? std::numeric_limits<double>::quiet_NaN()
                                                      : theta_.entries()[k];
        }
        return rows;
    }

    const SoftVotes& votes_;
    const SoftOptions& options_;
    const SoftSurvey& survey_;
    const Team& team_;
    std::vector<double> shares_;
    Maximisation m_step_;
    Matrices theta_;
    std::vector<double> prior_, moved_;
    std::vector<std::uint8_t> undetermined_;
    SoftEstimate estimate_;
};

} // namespace

SoftEstimate estimate_soft(const SoftVotes& votes, const SoftOptions& options, const ShouldStop& ask) {
    const Team team = soft_team(votes, options.common.threads, ask);
    const SoftSurvey survey = survey_soft(votes, options.common.threads, ask);
    return SoftIteration(votes, options, survey, team).run();
}

} // namespace fastfuse
