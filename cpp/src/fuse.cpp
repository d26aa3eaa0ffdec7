// The pipeline: plan, survey, EM, consensus. `fuse`, `apply`, `tabulate` and `estimate` each run a part of
// it.
#include "fastfuse/fusion.hpp"

#include <optional>
#include <utility>

#include "border/solve.hpp"
#include "classes/solve.hpp"
#include "em/acceleration/sampled.hpp"
#include "em/em.hpp"
#include "em/exact_masses.hpp"
#include "engines/rows.hpp"
#include "fastfuse/plan.hpp"
#include "make_engine.hpp"
#include "report.hpp"
#include "votes/missing/needless.hpp"

namespace fastfuse {
namespace {

// The value that EM climbs.
double reached(const Estimate& estimate, const Options& options) {
    return estimate.log_likelihood.back() + log_prior(estimate.performance, options.performance_prior);
}

// Extrapolations may lead to a lower maximum than plain EM finds. Where EM costs next to nothing, it runs
// without them too, and the higher end is kept. The paper's M-step climbs nothing on fractional votes.
Estimate accelerated(const EStep& e_step, const Engine& engine, const Census& census, const Options& options,
                     const Performance& start, const std::optional<Sums>& first) {
    constexpr double slack = 1e-3; // in nats
    Estimate estimate = em(e_step, options, start, first);
    const bool climbs = options.m_step == MStep::em || census.most_fractional == 0;
    if (options.acceleration != Acceleration::squarem || !climbs || !engine.is_quick()) return estimate;
    Options plain = options;
    plain.acceleration = Acceleration::none;
    Estimate slow = em(e_step, plain, start, first);
    return reached(slow, options) > reached(estimate, options) + slack ? slow : estimate;
}

// `is_warm`: the start is the end of an earlier EM, and not only where rates would begin.
Estimate find_estimate(Engine& engine, const Census& census, const Options& options, const Performance& start,
                       bool is_warm) {
    const bool tells_rates = !options.performance_prior.known.empty();
    if (is_certain(census) && !tells_rates) return certain(census, options);
    if (options.method == Method::majority) return of_majority(census, options);
    const EStep e_step = [&](const Performance& theta) { // eqs. (2), (9), (12), (13)
        return engine.expectation(theta);
    };
    std::optional<Sums> first;
    if (!options.init && !is_warm)
        first = census.mean_vote; // start from the mean vote, M-step first: eq. (5)
    const SampledEStep of_sample = [&](const Performance& theta) {
        return engine.sampled_expectation(theta);
    };
    Estimate estimate = options.acceleration == Acceleration::sample && first
                            ? sampled_em(e_step, of_sample, options, start, *first)
                            : accelerated(e_step, engine, census, options, start, first);
    estimate.by_masses = engine.by_masses(); // eq. (8)
    return estimate;
}

// Where EM begins: from the options, or from the rates of an earlier estimate, and its prior if that is
// estimated.
Performance begin(const Result& described, const Options& options, int raters, bool has_map,
                  const Estimate* warm) {
    Performance start = start_of(described, options, raters, has_map);
    if (!warm) return start;
    const double prior = options.estimates_prior() ? warm->performance.prior : start.prior;
    start = warm->performance;
    start.prior = prior;
    return start;
}

// Runs the engine: survey, EM, consensus. `known`: the estimate to apply; null: find it by EM, which begins
// at `warm` if there is one.
Result solve(const Task& task, Engine& engine, const Region* region, const Estimate* known,
             const Estimate* warm = nullptr) {
    const Options& options = task.options;
    const bool has_map = task.votes.prior.has_value();
    const Census census = engine.survey();
    if (census.mean_vote.count == 0) return nothing_to_fuse(task, region);
    Result result = describe(census, options, has_map);
    keep_table(engine, task, region, result);
    const Performance start = begin(result, options, task.votes.size(), has_map, warm);
    const Estimate estimate = known ? *known : find_estimate(engine, census, options, start, warm);
    report(estimate, has_map, result);
    if (!is_of_em(estimate)) { // the consensus is the mean vote
        report(engine.write_mean_vote(), result);
        return result;
    }
    if (!known && options.intervals == Intervals::information)
        report(engine.observe(estimate.performance), result);
    report(engine.write(estimate.performance), result); // eq. (9)
    return result;
}

bool has_three_classes(const Options& options) {
    return options.method == Method::staple && options.classes == 3;
}

// Whether the truth has more than two classes: then rows are all that it runs on.
bool is_of_rows(const Options& options) {
    return options.method == Method::border_staple || has_three_classes(options);
}

Result solve_rows(const Task& task, RowsEngine& engine, const Estimate* known) {
    return has_three_classes(task.options) ? classes::solve(task, engine, known)
                                           : border::solve(task, engine, known);
}

Result solve_rows(const Task& task, const Estimate* known) {
    if (task.plan.engine == EngineKind::table) {
        auto found = find_patterns(task.votes, &task.consensus, default_capacity(task.votes), task.team,
                                   task.votes.voxels());
        if (found) {
            TableEngine engine(task, std::move(*found));
            return solve_rows(task, engine, known);
        }
    }
    VoxelEngine engine(task);
    return solve_rows(task, engine, known);
}

// `region`: the disputed voxels, if only these are fused; null: all voxels.
Result fuse_in(const Region* region, const Votes& given, const Options& options, const Output& consensus,
               const Team& team, const Estimate* known) {
    const Probe sampled = probe(given, options, team.watch());
    const auto plan_of = [&](const Votes& votes) {
        return known ? plan_to_apply(*known, votes, options, consensus.wide, sampled)
                     : plan_for(votes, options, consensus.wide, sampled);
    };
    const Plan first = plan_of(given);
    // Lanes look as they read, and patterns tell as fast.
    const bool by_voxel = first.engine == EngineKind::voxels && !sampled.repeats;
    const bool looks = given.may_miss() && !given.place && (by_voxel || first.otherwise == EngineKind::field);
    const Votes votes = looks ? without_needless_marks(given, team) : given;
    const Plan plan = looks ? plan_of(votes) : first;
    const Task task{votes, options, plan, consensus, team};
    if (is_of_rows(options)) return solve_rows(task, known);
    const auto engine = make_engine(task, region);
    return solve(task, *engine, region, known);
}

Result fuse_all(const Votes& given, const Options& options, const Output& consensus, const ShouldStop& ask,
                const Estimate* known) {
    const Votes votes = read_by(options, given);
    const Team team = team_for(votes, options.threads, ask);
    if (options.roi == Roi::all) return fuse_in(nullptr, votes, options, consensus, team, known);
    const Region region = find_disputed(votes, team);
    Result result = fuse_in(&region, disputed_part(votes, region), options, consensus, team, known);
    add_agreed(region, consensus, team, result);
    return result;
}

} // namespace

Result fuse(const Votes& votes, const Options& options, const Output& consensus, const ShouldStop& ask) {
    return fuse_all(votes, options, consensus, ask, nullptr);
}

Result apply(const Estimate& estimate, const Votes& votes, const Options& options, const Output& consensus,
             const ShouldStop& ask) {
    return fuse_all(votes, options_to_apply(estimate, options, votes), consensus, ask, &estimate);
}

namespace {

// What `count` makes of the votes in the region that the options tell.
template <class Count>
auto counted_in_region(const Votes& given, const Options& options, const ShouldStop& ask,
                       const Count& count) {
    const Votes votes = read_by(options, given);
    const Team team = team_for(votes, options.threads, ask);
    if (options.roi == Roi::all) return count(votes, votes, team);
    const Region region = find_disputed(votes, team);
    return count(votes, disputed_part(votes, region), team);
}

} // namespace

std::optional<VoteTable> tabulate(const Votes& given, const Options& options, const ShouldStop& ask) {
    const auto count = [](const Votes& votes, const Votes& inside,
                          const Team& team) -> std::optional<VoteTable> {
        auto found = find_patterns(inside, nullptr, table_capacity(votes), team);
        if (!found) return std::nullopt;
        return std::move(found->table);
    };
    return counted_in_region(given, options, ask, count);
}

std::optional<MassSums> tabulate_masses(const Votes& given, const Options& options, const ShouldStop& ask) {
    return counted_in_region(given, options, ask, [](const Votes&, const Votes& inside, const Team& team) {
        return gather_exactly(VoxelRows(inside), team);
    });
}

std::optional<MassSums> masses_of(const VoteTable& table, int threads, const ShouldStop& ask) {
    const Team team(is_small(table.size(), table.raters()) ? 1 : threads, ask);
    return gather_exactly(TableRows(table, table.counts(), {}), team);
}

Result estimate(const VoteTable& table, const Options& options, const ShouldStop& ask, const Estimate* warm) {
    check_table(table, options);
    Votes no_voxels;
    no_voxels.raters.resize(static_cast<std::size_t>(table.raters()));
    const Output no_output;
    const Team team(is_small(table.size(), table.raters()) ? 1 : options.threads, ask);
    const Plan plan = plan_for(no_voxels, options, no_output.wide, {});
    const Task task{no_voxels, options, plan, no_output, team};
    TableEngine engine(task, Tabulation{table, {}, nullptr, {}});
    if (is_of_rows(options)) return solve_rows(task, engine, nullptr);
    return solve(task, engine, nullptr, nullptr, warm);
}

Estimate fit(const VoteTable& table, const std::vector<double>& counts, const Options& options,
             const Estimate& start, const ShouldStop& ask) {
    if (options.method == Method::border_staple) return border::fit_again(table, counts, options, start, ask);
    return has_three_classes(options) ? classes::fit_again(table, counts, options, ask)
                                      : fit_rates(table, counts, options, start.performance, ask);
}

} // namespace fastfuse
