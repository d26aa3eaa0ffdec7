// The pipeline: plan, survey, EM, consensus. Every verb is a part of it.
#include "fastfuse/fusion.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "em/em.hpp"
#include "engines/rows.hpp"
#include "fastfuse/plan.hpp"
#include "make_engine.hpp"
#include "report.hpp"

namespace fastfuse {
namespace {

// EM, or what stands in its place.
Estimate found(Engine& engine, const Census& census, const Options& options, const Performance& start) {
    if (is_certain(census)) return certain(census, options);
    if (options.method == Method::majority) return of_majority(census, options);
    const auto e_step = [&](const Performance& theta) {
        return engine.expectation(theta);
    }; // eqs. (2), (9), (12)
    const auto first = options.init ? std::nullopt : std::optional<Sums>(census.mean_vote);
    Estimate estimate = em(e_step, options, start, first); // M-step: eq. (5)
    estimate.by_masses = engine.by_masses();               // eq. (8)
    return estimate;
}

// One fusion. `known`: an estimate to apply; null where EM finds it.
Result solve(const Task& task, Engine& engine, const Region* region, const Estimate* known) {
    const Options& options = task.options;
    const bool has_map = task.votes.prior.has_value();
    const Census census = engine.survey();
    if (census.mean_vote.count == 0) return nothing_to_fuse(task, region);
    Result result = describe(census, options, has_map);
    keep_table(engine, task, region, result);
    const Performance start = start_of(result, options, task.votes.size(), has_map);
    const Estimate estimate = known ? *known : found(engine, census, options, start);
    const bool by_em = !estimate.certain && options.method != Method::majority;
    report(estimate, has_map, result);
    if (by_em && !known && options.intervals == Intervals::information)
        report(engine.observe(estimate.performance), result);
    report(by_em ? engine.write(estimate.performance) : engine.write_mean_vote(), result); // eq. (9)
    return result;
}

Result run(const Votes& votes, const Options& options, const Output& consensus, const Team& team,
           const Region* region, const Estimate* known) {
    const Probe found = probe(votes, options);
    const Plan plan = known ? plan_to_apply(*known, votes, options, consensus.wide, found)
                            : plan_for(votes, options, consensus.wide, found);
    const Task task{votes, options, plan, consensus, team};
    return solve(task, *make_engine(task, region), region, known);
}

Result run(const Votes& given, const Options& options, const Output& consensus, const ShouldStop& ask,
           const Estimate* known) {
    const Votes votes = read_by(options, given);
    const Team team = team_for(votes, options.threads, ask);
    if (options.roi == Roi::all) return run(votes, options, consensus, team, nullptr, known);
    const Region region = find_disputed(votes, team);
    Result result = run(disputed_part(votes, region), options, consensus, team, &region, known);
    add_agreed(region, consensus, team, result);
    return result;
}

} // namespace

Result fuse(const Votes& votes, const Options& options, const Output& consensus, const ShouldStop& ask) {
    return run(votes, options, consensus, ask, nullptr);
}

Result apply(const Estimate& estimate, const Votes& votes, const Options& options, const Output& consensus,
             const ShouldStop& ask) {
    Options same = options; // the rates mean what they meant when they were found
    same.method = estimate.method;
    same.m_step = estimate.m_step;
    same.likelihood = estimate.likelihood;
    same.expectation = estimate.expectation;
    if (!votes.prior) same.prior = estimate.performance.prior;
    return run(votes, same, consensus, ask, &estimate);
}

std::optional<VoteTable> tabulate(const Votes& given, const Options& options, const ShouldStop& ask) {
    const Votes votes = read_by(options, given);
    const Team team = team_for(votes, options.threads, ask);
    Region region;
    if (options.roi == Roi::disputed) region = find_disputed(votes, team);
    const Votes inside = options.roi == Roi::disputed ? disputed_part(votes, region) : votes;
    auto found = find_patterns(inside, nullptr, table_capacity(votes), team);
    if (!found) return std::nullopt;
    return std::move(found->table);
}

Result estimate(const VoteTable& table, const Options& options, const ShouldStop& ask) {
    check_table(table, options);
    Votes votes; // none: the table holds all that is known of them
    votes.raters.resize(static_cast<std::size_t>(table.raters()));
    const Team team(options.threads, ask);
    const Plan plan = plan_for(votes, options, false, {});
    const Task task{votes, options, plan, {}, team};
    TableEngine engine(task, Tabulation{table, {}, nullptr});
    return solve(task, engine, nullptr, nullptr);
}

} // namespace fastfuse
