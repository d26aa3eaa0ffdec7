#include "border/solve.hpp"

#include <algorithm>
#include <climits>
#include <limits>
#include <memory>
#include <utility>

#include "border/fit.hpp"
#include "border/heights.hpp"
#include "em/em.hpp"
#include "report.hpp"

namespace fastfuse::border {
namespace {

// The consensus of rows, by votes alone.
class ByLevels : public Consenter {
  public:
    ByLevels(const Responsibility& responsibility, const Levels& tau)
        : responsibility_(responsibility), tau_(tau) {}

    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        Pace pace(worker);
        for (std::int64_t row = 0; row < batch.rows; ++row) {
            if (pace.stopped_after(batch.raters + 8)) break;
            Levels r;
            responsibility_.of(batch, row, r);
            posterior_.foreground[static_cast<std::size_t>(row)] = dot(r, tau_);
        }
        return posterior_;
    }

  private:
    const Responsibility& responsibility_;
    const Levels& tau_;
    Posterior posterior_;
};

void check_raters(const std::vector<double>& read) {
    const auto voters = std::count_if(read.begin(), read.end(), [](double voxels) { return voxels > 0; });
    if (voters < least_raters)
        throw BadInput(BadInput::Kind::too_few_raters, -1, -1, static_cast<double>(voters));
}

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
    check_raters(census.read);
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
    Written written =
        engine.write_by([&] { return std::make_unique<ByLevels>(responsibility, tau); }, INT_MAX);
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
    check_raters(census.read);
    Fit again = fit(rows, census.read, stop_of(options), team);
    if (start.border) // the levels' origin may differ
        again.border.anchor += start.border->anchor - anchor_of_votes(*start.border);
    return estimate_of(std::move(again), options);
}

} // namespace fastfuse::border
