#include "classes/solve.hpp"

#include <climits>
#include <utility>

#include "classes/em.hpp"
#include "em/em.hpp"
#include "report.hpp"

namespace fastfuse::classes {
namespace {

constexpr int least_raters = 4; // three leave 11 parameters to 7 cells

void take_rates(Estimate& estimate) {
    const Classes& classes = *estimate.classes;
    double foreground = 0, background = 0;
    for (std::size_t k = 0; k < latent_classes; ++k) {
        foreground += classes.shares[k] * foreground_of[k];
        background += classes.shares[k] * (1 - foreground_of[k]);
    }
    Performance& rates = estimate.performance = Performance(static_cast<int>(classes.marks.size()), 0);
    rates.prior = foreground;
    rates.sensitivity.assign(classes.marks.size(), 0);
    rates.specificity = rates.false_negative_rate = rates.false_positive_rate = rates.sensitivity;
    for (std::size_t i = 0; i < classes.marks.size(); ++i)
        for (std::size_t k = 0; k < latent_classes; ++k) {
            const double inside = classes.shares[k] * foreground_of[k] / foreground;
            const double outside = classes.shares[k] * (1 - foreground_of[k]) / background;
            rates.sensitivity[i] += inside * classes.marks[i][k];
            rates.false_negative_rate[i] += inside * classes.no_marks[i][k];
            rates.specificity[i] += outside * classes.no_marks[i][k];
            rates.false_positive_rate[i] += outside * classes.marks[i][k];
        }
}

Estimate find(const Rows& rows, const Census& census, const Options& options, const Team& team) {
    check_voters(census, least_raters, BadInput::Kind::too_few_for_classes);
    Estimate estimate = is_certain(census) ? certain(census, options) : begun(options);
    Fit found = fit(rows, options.tol, options.max_iter, team);
    estimate.classes = std::move(found.classes);
    if (estimate.certain) return estimate;
    estimate.iterations = static_cast<int>(found.log_likelihood.size());
    estimate.log_likelihood = std::move(found.log_likelihood);
    estimate.converged = found.converged;
    take_rates(estimate);
    return estimate;
}

} // namespace

Result solve(const Task& task, RowsEngine& engine, const Estimate* known) {
    const Census census = engine.survey();
    if (census.mean_vote.count == 0) return nothing_to_fuse(task, nullptr);
    Result result = describe(census, task.options, false);
    keep_table(engine, task, nullptr, result);
    const Estimate estimate = known ? *known : find(engine.rows(), census, task.options, task.team);
    report(estimate, false, result);
    if (estimate.certain) {
        report(engine.write_mean_vote(), result);
        return result;
    }
    const Posteriors posteriors(*estimate.classes);
    const auto consensus = [&](const Batch& batch, std::int64_t row) {
        return posteriors.consensus(batch, row);
    };
    report(engine.write_by(by_row(consensus), INT_MAX), result);
    return result;
}

Estimate fit_again(const VoteTable& table, const std::vector<double>& counts, const Options& options,
                   const ShouldStop& ask) {
    const Team team(1, ask);
    const TableRows rows(table, counts, {});
    return find(rows, take_census(rows, false, team), options, team);
}

} // namespace fastfuse::classes
