#include "border/solve.hpp"

#include <climits>
#include <utility>

#include "border/fit.hpp"
#include "border/heights.hpp"
#include "em/em.hpp"
#include "report.hpp"

namespace fastfuse::border {
namespace {

void take_rates(Estimate& estimate) {
    const Rates rates = rates_of(*estimate.border);
    estimate.performance = Performance(static_cast<int>(rates.sensitivity.size()));
    estimate.performance.sensitivity = rates.sensitivity;
    estimate.performance.specificity = rates.specificity;
    for (std::size_t i = 0; i < rates.sensitivity.size(); ++i) {
        estimate.performance.false_negative_rate[i] = 1 - rates.sensitivity[i];
        estimate.performance.false_positive_rate[i] = 1 - rates.specificity[i];
    }
    estimate.performance.prior = rates.prior;
}

Estimate estimate_of(Fit fit, const Options& options) {
    Estimate estimate = begun(options);
    estimate.border = std::move(fit.border);
    estimate.iterations = static_cast<int>(fit.log_likelihood.size());
    estimate.log_likelihood = std::move(fit.log_likelihood);
    estimate.converged = fit.converged;
    take_rates(estimate);
    return estimate;
}

Stop stop_of(const Options& options) { return {options.tol, options.max_iter}; }

Estimate find_estimate(const RowsEngine& engine, const Census& census, const Task& task) {
    check_voters(census, least_raters, BadInput::Kind::too_few_raters);
    Estimate estimate =
        estimate_of(fit(engine.rows(), census.read, stop_of(task.options), task.team), task.options);
    if (!is_certain(census)) return estimate;
    Estimate sure = certain(census, task.options);
    sure.border = estimate.border;
    return sure;
}

void take_anchor(const Task& task, Estimate& estimate) {
    if (task.votes.heights.voxel.empty() || estimate.certain) return;
    Border& border = *estimate.border;
    const auto found = half_maximum(border.scale, sum_heights(task.votes, border, task.team));
    if (!found) return;
    border.anchor = *found;
    border.from_image = true;
    take_rates(estimate);
}

Written write(const Task& task, RowsEngine& engine, const Border& border) {
    const std::vector<Curve> curves = curves_of(unscaled(border));
    const Responsibility responsibility(curves, border.weights);
    const Levels tau = consensus_at(border.scale, border.anchor);
    const auto by_votes_alone = [&](const Batch& batch, std::int64_t row) {
        Levels r;
        responsibility.of(batch, row, r);
        return dot(r, tau);
    };
    Written written = engine.write_by(by_row(by_votes_alone), INT_MAX);
    if (task.votes.heights.evidence && !task.votes.heights.voxel.empty())
        write_with_evidence(task.votes, border, task.consensus, task.team, written);
    return written;
}

} // namespace

Result solve(const Task& task, RowsEngine& engine, const Estimate* known) {
    const Census census = engine.survey();
    if (census.mean_vote.count == 0) return nothing_to_fuse(task, nullptr);
    Result result = describe(census, task.options, false);
    keep_table(engine, task, nullptr, result);
    Estimate estimate = known ? *known : find_estimate(engine, census, task);
    take_anchor(task, estimate);
    report(estimate, false, result);
    report(estimate.certain ? engine.write_mean_vote() : write(task, engine, *estimate.border), result);
    return result;
}

Estimate fit_again(const VoteTable& table, const std::vector<double>& counts, const Options& options,
                   const Estimate& start, const ShouldStop& ask) {
    const Team team(1, ask);
    const TableRows rows(table, counts, {});
    const Census census = take_census(rows, false, team);
    check_voters(census, least_raters, BadInput::Kind::too_few_raters);
    Fit again = fit(rows, census.read, stop_of(options), team);
    if (start.border) // the levels' origin may differ
        again.border.anchor += start.border->anchor - anchor_of_votes(*start.border);
    return estimate_of(std::move(again), options);
}

} // namespace fastfuse::border
