#include "engines/map/by_table.hpp"

#include <algorithm>
#include <utility>

#include "em/spread.hpp"
#include "engines/map/expectation.hpp"
#include "engines/map/writer.hpp"

namespace fastfuse {
namespace {

bool has_fractions(const VoteTable& table) {
    for (int i = 0; i < table.raters(); ++i)
        if (std::any_of(table.votes_of(i), table.votes_of(i) + table.size(), is_fractional)) return true;
    return false;
}

} // namespace

std::unique_ptr<MapByTable> MapByTable::make(const Task& task) {
    Votes votes = task.votes;
    votes.prior.reset();
    auto table = find_patterns(votes, &task.consensus, default_capacity(votes), task.team);
    if (!table) return nullptr;
    // With missing votes a pattern of marks is one of its raters' alone: only where no vote is divided into
    // marks.
    const bool divides = task.options.method == Method::soft_staple && has_fractions(table->table);
    if (divides && table->table.may_miss()) return nullptr;
    auto moments = map::Moments::gather(task.votes, *table, task.team);
    if (!moments) return nullptr;
    std::optional<map::Moments> of_patterns;
    if (divides || (task.options.method == Method::soft_staple && !table->table.may_miss())) {
        const bool votes_too = task.plan.m_step == MStep::paper;
        of_patterns = moments->of_patterns(table->table, votes_too, task.team.watch());
        if (!of_patterns) return nullptr;
    }
    return std::unique_ptr<MapByTable>(
        new MapByTable(task, std::move(*table), std::move(*moments), std::move(of_patterns)));
}

MapByTable::MapByTable(const Task& task, Tabulation tabulation, map::Moments moments,
                       std::optional<map::Moments> of_patterns)
    : VoxelEngine(task), tabulation_(std::move(tabulation)),
      table_rows_(tabulation_.table, tabulation_.table.counts(), tabulation_.priors),
      moments_(std::move(moments)), of_patterns_(std::move(of_patterns)) {}

Census MapByTable::survey() {
    census_ = take_census(table_rows_, task_.plan.m_step == MStep::em, task_.team);
    census_.prior = moments_.prior();
    return census_;
}

Sums MapByTable::expectation(const Performance& performance) {
    task_.team.look();
    Sums sums = of_patterns_ ? map::expectation_of_patterns(*of_patterns_, performance, task_.team)
                             : expectation_of_rows(performance);
    sums.count = census_.mean_vote.count;
    return sums;
}

Sums MapByTable::expectation_of_rows(const Performance& performance) const {
    const Model model = task_.plan.model;
    const RowLogOdds odds = log_odds_of(tabulation_.table, model, performance);
    const auto rows = static_cast<std::size_t>(tabulation_.table.size());
    const map::RowSums found = moments_.sums(map::terms_of(odds, rows), task_.team);
    Sums sums = weighted_rows(table_rows_, model, task_.plan.m_step, performance, found.w, found.u);
    sums.log_likelihood = found.log_evidence + map::log_scale(odds, moments_, rows);
    return sums;
}

map::Terms MapByTable::terms_of_rows(const Performance& performance) const {
    const auto rows = static_cast<std::size_t>(tabulation_.table.size());
    if (!of_patterns_)
        return map::terms_of(log_odds_of(tabulation_.table, task_.plan.model, performance), rows);
    const map::Terms patterns = map::patterns_as_terms(performance);
    map::Terms terms;
    Spread spread(tabulation_.table.raters());
    for (std::int64_t row = 0; row < tabulation_.table.size(); ++row) {
        spread.spread(table_rows_.batch(row / batch_rows), row % batch_rows, 1);
        for (std::size_t k = 0; k < spread.size(); ++k) {
            const std::uint32_t pattern = spread.pattern()[k];
            terms.add(spread.weight()[k], patterns.one[pattern], patterns.zero[pattern]);
        }
        terms.end_row();
    }
    return terms;
}

Written MapByTable::write(const Performance& performance) {
    const map::Terms terms = terms_of_rows(performance);
    const Range range = map::write(task_.votes, tabulation_, terms, task_.consensus, task_.team);
    const map::RowSums by_row = moments_.sums(terms, task_.team);
    return written_rows(tabulation_.table, by_row.w, by_row.u, range);
}

} // namespace fastfuse
