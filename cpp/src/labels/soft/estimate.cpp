// EM on soft votes, M-step first; each iteration reads the votes once.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "labels/em.hpp"
#include "labels/mapped/reader.hpp"
#include "labels/mapped/rows.hpp"
#include "labels/maximisation.hpp"
#include "labels/soft/passes.hpp"
#include "labels/soft/start.hpp"
#include "labels/soft/step.hpp"

namespace fastfuse {
namespace {

// The votes, as EM reads them.
struct SoftSource {
    const SoftVotes& votes;
    const Team& team;
    std::optional<MappedRows> mapped; // of label maps with a map of priors

    SoftSums sums(const SoftOptions& options, const LabelRates& rates, SoftTruth truth, SoftCounts counts) {
        if (mapped && truth == SoftTruth::posterior) return mapped->sums(rates.theta, team);
        return soft_sums(votes, options, rates.theta, rates.prior, truth, counts, team);
    }
};

class SoftIteration {
  public:
    SoftIteration(SoftSource& source, const SoftOptions& options, double voxels, const Maximisation& m_step,
                  LabelRates rates)
        : source_(source), votes_(source.votes), options_(options), voxels_(voxels), m_step_(m_step),
          moved_(static_cast<std::size_t>(votes_.size()) * votes_.labels) {
        fit_.rates = std::move(rates);
        fit_.undetermined.resize(moved_.size());
    }

    EmFit run() {
        const LabelStart start = options_.common.start;
        sums_ = start == LabelStart::itk
                    ? expect(fit_.rates)
                    : source_.sums(options_, fit_.rates,
                                   start == LabelStart::vote ? SoftTruth::share : SoftTruth::plurality,
                                   SoftCounts::paper);
        fit_.converged = step();
        while (goes_on())
            fit_.converged =
                options_.common.acceleration == Acceleration::squarem ? accelerated_steps() : step();
        return std::move(fit_);
    }

  private:
    bool goes_on() const {
        return !fit_.converged && static_cast<int>(fit_.log_likelihood.size()) < options_.common.max_iter;
    }

    SoftSums expect(const LabelRates& rates) {
        return source_.sums(options_, rates, SoftTruth::posterior,
                            options_.m_step == MStep::em ? SoftCounts::em : SoftCounts::paper);
    }

    // M-step: new rates. Returns log p(θ).
    double maximise(const SoftSums& sums, LabelRates& rates) {
        double log_prior = 0;
        const std::size_t labels = votes_.labels;
        for (int i = 0; i < votes_.size(); ++i) {
            const std::size_t place = static_cast<std::size_t>(i) * labels;
            log_prior += m_step_.maximise(i, sums.counts.data() + place * labels, rates.theta,
                                          moved_.data() + place, fit_.undetermined.data() + place);
        }
        if (options_.common.estimates_prior)
            for (std::size_t a = 0; a < labels; ++a)
                rates.prior[a] = sums.mass[a] / voxels_;
        return log_prior;
    }

    double move(const SoftSums& sums) const { return largest_move(moved_, sums.mass); }

    void arrive(SoftSums sums, double log_prior) {
        sums_ = std::move(sums);
        fit_.log_likelihood.push_back(sums_.log_likelihood);
        fit_.log_prior.push_back(log_prior);
    }

    // Returns whether the rates have converged.
    bool step() {
        const double log_prior = maximise(sums_, fit_.rates);
        arrive(expect(fit_.rates), log_prior);
        return move(sums_) <= options_.common.tol;
    }

    // Two steps, then a jump. Returns whether the rates have converged.
    bool accelerated_steps() {
        const LabelRates first = fit_.rates;
        if (step()) return true;
        if (!goes_on()) return false;
        const LabelRates second = fit_.rates;
        const double prior_of_third = maximise(sums_, fit_.rates);
        const double moved = move(sums_);
        if (moved > options_.common.tol) {
            LabelRates beyond =
                extrapolate(first, second, fit_.rates, sums_.mass, options_.common.estimates_prior);
            m_step_.restore(beyond.theta);
            SoftSums there = expect(beyond);
            const double log_prior = log_prior_of(beyond);
            if (keeps(beyond, there, log_prior, moved)) {
                fit_.rates = std::move(beyond);
                arrive(std::move(there), log_prior);
                return false;
            }
        }
        arrive(expect(fit_.rates), prior_of_third);
        return moved <= options_.common.tol;
    }

    double log_prior_of(const LabelRates& rates) const {
        double sum = 0;
        for (int i = 0; i < votes_.size(); ++i)
            sum += m_step_.log_prior(i, rates.theta);
        return sum;
    }

    // Whether to keep a jump. Where the M-step climbs, the objective must not fall. The paper's M-step need
    // not: there, the next step must be no larger than the one before the jump.
    bool keeps(const LabelRates& beyond, const SoftSums& there, double log_prior, double moved) {
        if (options_.m_step == MStep::em || options_.model == SoftModel::log_linear)
            return there.log_likelihood + log_prior >= fit_.reached();
        LabelRates next = beyond;
        const std::vector<std::uint8_t> undetermined = fit_.undetermined;
        maximise(there, next);
        const bool kept = move(there) <= moved;
        if (!kept) fit_.undetermined = undetermined;
        return kept;
    }

    SoftSource& source_;
    const SoftVotes& votes_;
    const SoftOptions& options_;
    double voxels_;
    const Maximisation& m_step_;
    std::vector<double> moved_; // at i * K + a
    SoftSums sums_;             // of an E-step with the rates
    EmFit fit_;
};

EmFit by_em(SoftSource& source, const SoftOptions& options, double voxels,
            const std::vector<double>& shares) {
    const SoftVotes& votes = source.votes;
    const Team& team = source.team;
    const Maximisation m_step(options.common, shares, unknown_rows(votes, options, shares, team));
    const LabelRates rates{options.common.start == LabelStart::itk
                               ? rates_of_untied(votes, options, shares, team)
                               : Matrices(votes.size(), votes.labels, 1 / static_cast<double>(votes.labels)),
                           options.common.prior.empty() ? shares : options.common.prior};
    EmFit fit = SoftIteration(source, options, voxels, m_step, rates).run();
    // Where EM costs next to nothing, it runs without jumps too, and the higher end is kept.
    const bool by_row = votes.tuples && !votes.are_mapped();
    const std::int64_t rows = by_row ? votes.tuples->size() : votes.grid.voxels();
    const auto labels = static_cast<std::int64_t>(votes.labels);
    const bool cheap = rows * labels + votes.size() * labels * labels <= quick &&
                       (options.model != SoftModel::enumeration || are_certain(votes));
    if (options.common.acceleration != Acceleration::squarem || !cheap) return fit;
    SoftOptions plain = options;
    plain.common.acceleration = Acceleration::none;
    EmFit slow = SoftIteration(source, plain, voxels, m_step, rates).run();
    return is_higher(slow, fit) ? slow : fit;
}

// The mean's rates are those against it.
EmFit of_votes_alone(SoftSource& source, const SoftOptions& options, const std::vector<double>& shares) {
    const SoftVotes& votes = source.votes;
    const std::size_t labels = votes.labels;
    EmFit fit{{Matrices(votes.size(), labels, 1 / static_cast<double>(labels)), shares}, {}, {}, {}, true};
    fit.undetermined.resize(static_cast<std::size_t>(votes.size()) * labels);
    const Maximisation m_step({}, shares, {});
    const SoftSums sums = source.sums(options, fit.rates, SoftTruth::posterior, SoftCounts::paper);
    std::vector<double> moved(labels);
    for (int i = 0; i < votes.size(); ++i) {
        const std::size_t place = static_cast<std::size_t>(i) * labels;
        m_step.maximise(i, sums.counts.data() + place * labels, fit.rates.theta, moved.data(),
                        fit.undetermined.data() + place);
    }
    return fit;
}

// Of raters and consensus.
void compare(SoftSource& source, const SoftOptions& options, const LabelRates& rates, LabelEstimate& found) {
    const SoftVotes& votes = source.votes;
    const bool certain = options.model == SoftModel::enumeration && are_certain(votes); // both counts are one
    SoftSums sums =
        source.sums(options, rates, SoftTruth::posterior, certain ? SoftCounts::em : SoftCounts::paper);
    const std::size_t labels = votes.labels;
    found.agreed.resize(static_cast<std::size_t>(votes.size()) * labels);
    for (std::size_t k = 0; k < found.agreed.size(); ++k) {
        const std::size_t i = k / labels, a = k % labels;
        found.agreed[k] = sums.counts[(i * labels + a) * labels + a];
        for (std::size_t b = 0; b < labels && certain; ++b)
            sums.seen[k] += sums.counts[(i * labels + b) * labels + a];
    }
    found.mass = std::move(sums.mass);
    found.seen = std::move(sums.seen);
}

} // namespace

SoftEstimate estimate_soft(const SoftVotes& votes, const SoftOptions& options, const ShouldStop& ask) {
    const bool mapped = votes.are_mapped();
    const Team team = mapped ? mapped_team(votes, options.common.threads, ask)
                             : soft_team(votes, options.common.threads, ask);
    const SoftSurvey survey = survey_soft(votes, options.common.threads, ask);
    const std::vector<double> shares = shares_of(survey.volume, votes.labels);
    SoftSource source{votes, team, {}};
    if (mapped) source.mapped.emplace(votes, options.common.candidates, team);
    EmFit fit = options.model == SoftModel::mean ? of_votes_alone(source, options, shares)
                                                 : by_em(source, options, survey.voxels, shares);
    SoftEstimate estimate;
    LabelEstimate& found = estimate.found;
    compare(source, options, fit.rates, found);
    found.voxels = survey.voxels;
    found.confusion = in_rows(fit.rates.theta, fit.undetermined);
    found.prior = survey.prior.empty() || options.model == SoftModel::mean ? fit.rates.prior : survey.prior;
    found.iterations = static_cast<int>(fit.log_likelihood.size());
    found.log_likelihood = std::move(fit.log_likelihood);
    found.log_prior = std::move(fit.log_prior);
    found.converged = fit.converged;
    estimate.theta = std::move(fit.rates.theta.entries());
    return estimate;
}

} // namespace fastfuse
