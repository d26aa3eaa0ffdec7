// From a table of tuples to rates and truths.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "labels/em.hpp"
#include "labels/expectation.hpp"
#include "labels/maximisation.hpp"
#include "labels/truths.hpp"
#include "votes/blocks.hpp"

namespace fastfuse {
namespace {

constexpr double floor_of_rate = 1e-12; // where rates meet votes that they were not estimated on
constexpr double away = 0.01; // how far from the rates that are known a fit starts, where EM keeps zeros

// w times c.
void weigh(const LabelTable& table, RowTruths& truths) {
    for (std::size_t row = 0; row < table.counts.size(); ++row)
        for (auto k = static_cast<std::size_t>(truths.first[row]);
             k < static_cast<std::size_t>(truths.first[row + 1]); ++k)
            truths.weight[k] *= table.counts[row];
}

Matrices counts_of(const LabelTable& table, const RowTruths& truths, const Team& team) {
    Matrices counts(table.raters, table.kinds());
    std::vector<Factors::Row> rows(table.counts.size());
    std::iota(rows.begin(), rows.end(), Factors::Row{0});
    team.run(table.raters, [&](std::int64_t job, const Worker& worker) {
        const auto rater = static_cast<int>(job);
        count(table, truths, rows, rater, counts.of_rater(rater), worker);
    });
    return counts;
}

LabelStartCounts start_counts(const LabelTable& table, const RowTruths& truths, const Team& team) {
    LabelStartCounts start{counts_of(table, truths, team), std::vector<double>(table.kinds())};
    for (std::size_t k = 0; k < truths.code.size(); ++k)
        start.mass[truths.code[k]] += truths.weight[k];
    return start;
}

// ITK's first rates: p(truth a | vote b) of the voxels where one label has most votes.
Matrices rates_of_untied(const LabelTable& table, RowTruths guess, const Team& team) {
    for (std::size_t row = 0; row < table.counts.size(); ++row)
        if (guess.first[row + 1] - guess.first[row] > 1)
            for (auto k = static_cast<std::size_t>(guess.first[row]);
                 k < static_cast<std::size_t>(guess.first[row + 1]); ++k)
                guess.weight[k] = 0;
    Matrices rates = counts_of(table, guess, team);
    share_by_vote(rates);
    return rates;
}

// Sets the labels that a rater does not know as possible with all of their votes.
void allow_fixed(const Matrices& fixed, Matrices& support) {
    for (std::size_t k = 0; k < fixed.entries().size(); ++k)
        if (!std::isnan(fixed.entries()[k])) support.entries()[k] = fixed.entries()[k];
}

// Sets truths of which a rater has no counts as possible with all of their votes: the M-step leaves such
// rates as they were.
void allow_uncounted(Matrices& support) {
    const std::size_t labels = support.labels();
    const auto raters = static_cast<int>(support.entries().size() / support.per_rater());
    for (int i = 0; i < raters; ++i) {
        double* counts = support.of_rater(i);
        for (std::size_t a = 0; a < labels; ++a) {
            bool counted = false;
            for (std::size_t b = 0; b < labels; ++b)
                counted = counted || counts[b * labels + a] > 0;
            for (std::size_t b = 0; b < labels && !counted; ++b)
                counts[b * labels + a] = 1;
        }
    }
}

// Where EM costs next to nothing, it runs without jumps too, and the higher end is kept.
LabelFit accelerated(const LabelTable& table, const LabelOptions& options, const Maximisation& m_step,
                     LabelRates rates, std::optional<LabelStartCounts> start, double voxels,
                     RowTruths& truths, const Team& team) {
    const std::size_t size = rates.theta.entries().size() + truths.code.size();
    if (options.acceleration != Acceleration::squarem || static_cast<std::int64_t>(size) > quick)
        return em(table, options, m_step, std::move(rates), std::move(start), voxels, truths, team);
    RowTruths others = truths;
    LabelFit fit = em(table, options, m_step, rates, start, voxels, truths, team);
    LabelOptions plain = options;
    plain.acceleration = Acceleration::none;
    LabelFit slow = em(table, plain, m_step, std::move(rates), std::move(start), voxels, others, team);
    return is_higher(slow, fit) ? slow : fit;
}

// Of raters and consensus: Σ c w of each label, over all voxels, over those that a rater votes on, and over
// those to which they give the label.
void compare(const LabelTable& table, LabelEstimate& estimate) {
    const std::size_t labels = table.kinds();
    const RowTruths& truths = estimate.truths;
    estimate.mass.assign(labels, 0);
    estimate.seen.assign(static_cast<std::size_t>(table.raters) * labels, 0);
    estimate.agreed = estimate.seen;
    for (std::size_t row = 0; row < table.counts.size(); ++row)
        for (std::int64_t k = truths.first[row]; k < truths.first[row + 1]; ++k) {
            const std::size_t a = truths.code[static_cast<std::size_t>(k)];
            const double held = table.counts[row] * truths.weight[static_cast<std::size_t>(k)];
            estimate.mass[a] += held;
            for (std::size_t i = 0; i < static_cast<std::size_t>(table.raters); ++i) {
                const Code vote = table.codes_of(static_cast<int>(i))[row];
                if (vote != no_code) estimate.seen[i * labels + a] += held;
                if (vote == a) estimate.agreed[i * labels + a] += held;
            }
        }
}

// Raters' rates against the share of the votes.
LabelEstimate of_votes_alone(const LabelTable& table, const LabelOptions& options,
                             const std::vector<double>& shares, const Team& team) {
    LabelEstimate estimate;
    estimate.truths = first_guess(table, LabelStart::vote, options.weights, team.watch());
    estimate.converged = true;
    estimate.prior = shares;
    RowTruths weighed = estimate.truths;
    weigh(table, weighed);
    Matrices theta(table.raters, table.kinds());
    std::vector<std::uint8_t> undetermined(static_cast<std::size_t>(table.raters) * table.kinds());
    std::vector<double> moved(table.kinds());
    const Maximisation m_step({}, shares, {});
    const Matrices counts = counts_of(table, weighed, team);
    for (int i = 0; i < table.raters; ++i)
        m_step.maximise(i, counts.of_rater(i), theta, moved.data(),
                        undetermined.data() + static_cast<std::size_t>(i) * table.kinds());
    estimate.confusion = in_rows(theta, undetermined);
    return estimate;
}

// Where EM starts.
struct Beginning {
    LabelRates rates;
    std::optional<LabelStartCounts> counts; // none: by an E-step
    RowTruths truths;
};

// `known`: rates to begin with; null: the votes tell.
Beginning beginning(const LabelTable& table, const LabelOptions& options, const Maximisation& m_step,
                    const std::vector<double>& shares, const Matrices& fixed, const Matrices* known,
                    const Team& team) {
    Beginning start{{Matrices(table.raters, table.kinds(), 1 / static_cast<double>(table.kinds())),
                     options.prior.empty() ? shares : options.prior},
                    {},
                    {}};
    if (!known || !m_step.leaves_zeros()) {
        RowTruths guess = first_guess(table, options.start, {}, team.watch());
        weigh(table, guess);
        if (options.start == LabelStart::itk)
            start.rates.theta = rates_of_untied(table, std::move(guess), team);
        else
            start.counts = start_counts(table, guess, team);
    }
    std::optional<Matrices> support;
    if (!m_step.leaves_zeros()) {
        support = start.counts ? start.counts->counts : start.rates.theta;
        if (start.counts) allow_uncounted(*support);
        allow_fixed(fixed, *support);
    }
    start.truths = candidates_of(table, options.candidates, support ? &*support : nullptr, team.watch());
    if (known) start.rates.theta = *known;
    return start;
}

// `known`: rates near which EM starts, by an E-step; null: it starts from the votes.
LabelEstimate by_em(const LabelTable& table, const LabelOptions& options, const std::vector<double>& shares,
                    double voxels, const Matrices* known, const Team& team) {
    const Matrices fixed = unknown_rows(table, options.unknown, shares, team.watch());
    const Maximisation m_step(options, shares, fixed);
    Beginning start = beginning(table, options, m_step, shares, fixed, known, team);
    LabelFit fit = known ? em(table, options, m_step, std::move(start.rates), {}, voxels, start.truths, team)
                         : accelerated(table, options, m_step, std::move(start.rates),
                                       std::move(start.counts), voxels, start.truths, team);
    posterior(table, fit.rates.theta, fit.rates.prior, start.truths, team);
    LabelEstimate estimate;
    estimate.confusion = in_rows(fit.rates.theta, fit.undetermined);
    estimate.prior = std::move(fit.rates.prior);
    estimate.log_likelihood = std::move(fit.log_likelihood);
    estimate.log_prior = std::move(fit.log_prior);
    estimate.iterations = static_cast<int>(estimate.log_likelihood.size());
    estimate.converged = fit.converged;
    estimate.truths = std::move(start.truths);
    return estimate;
}

// From [rater, truth, vote]; what nothing determines is as likely for each truth.
Matrices matrices_of(const LabelTable& table, const std::vector<double>& confusion) {
    const std::size_t labels = table.kinds();
    Matrices theta(table.raters, labels);
    for (std::size_t k = 0; k < confusion.size(); ++k) {
        const std::size_t i = k / (labels * labels), a = k / labels % labels, b = k % labels;
        theta.of_rater(static_cast<int>(i))[b * labels + a] =
            std::isnan(confusion[k]) ? 1 / static_cast<double>(labels) : confusion[k];
    }
    return theta;
}

// The rows that are drawn at least once.
LabelTable drawn(const LabelTable& table, const std::vector<double>& counts) {
    LabelTable part;
    part.labels = table.labels;
    part.raters = table.raters;
    std::vector<std::size_t> kept;
    for (std::size_t row = 0; row < counts.size(); ++row)
        if (counts[row] > 0) kept.push_back(row);
    for (const std::size_t row : kept)
        part.counts.push_back(counts[row]);
    for (int i = 0; i < table.raters; ++i)
        for (const std::size_t row : kept)
            part.codes.push_back(table.codes_of(i)[row]);
    return part;
}

} // namespace

std::vector<double> volume_of(const LabelTable& table) {
    const std::size_t labels = table.kinds();
    std::vector<double> volume(static_cast<std::size_t>(table.raters) * labels);
    for (int i = 0; i < table.raters; ++i)
        for (std::size_t row = 0; row < table.counts.size(); ++row)
            if (const Code code = table.codes_of(i)[row]; code != no_code)
                volume[static_cast<std::size_t>(i) * labels + code] += table.counts[row];
    return volume;
}

LabelEstimate estimate_labels(const LabelTable& table, const LabelOptions& options, const ShouldStop& ask) {
    const Team team(is_small(table.size(), table.raters) ? 1 : options.threads, ask);
    const double voxels = std::accumulate(table.counts.begin(), table.counts.end(), 0.0);
    if (voxels == 0) throw BadInput(BadInput::Kind::empty_mask);
    const std::vector<double> shares = shares_of(volume_of(table), table.kinds());
    LabelEstimate estimate = options.votes_alone ? of_votes_alone(table, options, shares, team)
                                                 : by_em(table, options, shares, voxels, nullptr, team);
    estimate.voxels = voxels;
    compare(table, estimate);
    return estimate;
}

std::vector<double> fit_labels(const LabelTable& table, const std::vector<double>& counts,
                               const std::vector<double>& confusion, const LabelOptions& options,
                               const ShouldStop& ask) {
    const LabelTable part = drawn(table, counts);
    const Team team(is_small(part.size(), part.raters) ? 1 : options.threads, ask);
    const double voxels = std::accumulate(part.counts.begin(), part.counts.end(), 0.0);
    if (voxels == 0) throw BadInput(BadInput::Kind::empty_mask);
    const std::vector<double> shares = shares_of(volume_of(part), part.kinds());
    if (options.votes_alone) return of_votes_alone(part, options, shares, team).confusion;
    Matrices start = matrices_of(table, confusion);
    if (!options.performance_prior) // EM keeps zeros
        for (double& rate : start.entries())
            rate = (1 - away) * rate + away / static_cast<double>(table.kinds());
    return by_em(part, options, shares, voxels, &start, team).confusion;
}

LabelEstimate apply_labels(const LabelTable& table, const std::vector<double>& confusion,
                           const std::vector<double>& prior, Candidates candidates, int threads,
                           const ShouldStop& ask) {
    const Team team(is_small(table.size(), table.raters) ? 1 : threads, ask);
    Matrices theta = matrices_of(table, confusion);
    for (double& rate : theta.entries())
        rate = std::clamp(rate, floor_of_rate, 1.0);
    LabelEstimate estimate;
    estimate.truths = candidates_of(table, candidates, nullptr, team.watch());
    posterior(table, theta, prior, estimate.truths, team);
    estimate.confusion = confusion;
    estimate.prior = prior;
    estimate.converged = true;
    estimate.voxels = std::accumulate(table.counts.begin(), table.counts.end(), 0.0);
    compare(table, estimate);
    return estimate;
}

} // namespace fastfuse
