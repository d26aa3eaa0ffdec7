#include "engines/map_by_table.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "em/spread.hpp"

namespace fastfuse {

namespace {

// Each row's votes as its only term.
map::Terms terms_of(const RowLogOdds& odds, std::size_t rows) {
    map::Terms terms;
    for (std::size_t row = 0; row < rows; ++row) {
        const double s = odds.log_odds[row];
        terms.add(1, std::exp(std::min(s, 0.0)), std::exp(std::min(-s, 0.0)));
        terms.end_row();
    }
    return terms;
}

// Σ c log of what the likelihoods were divided by.
double log_scale(const RowLogOdds& odds, const map::Moments& moments, std::size_t rows) {
    double sum = 0;
    for (std::size_t row = 0; row < rows; ++row)
        sum += moments.count(row) * (odds.log_zero[row] + std::max(odds.log_odds[row], 0.0));
    return sum;
}

} // namespace

std::unique_ptr<MapByTable> MapByTable::make(const Task& task) {
    Votes votes = task.votes;
    votes.prior.reset();
    auto table = find_patterns(votes, &task.consensus, default_capacity(votes), task.team);
    if (!table) return nullptr;
    auto moments = map::Moments::gather(task.votes, *table, task.team);
    if (!moments) return nullptr;
    std::optional<map::Moments> of_patterns;
    if (task.options.method == Method::soft_staple) {
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

// With V_i(B), the votes' part is Σ_B b_i W(B) + V_i(B), W(B) the pattern's sum.
Sums MapByTable::sums_of_patterns(const map::RowSums& by_pattern) const {
    const auto raters = static_cast<std::size_t>(tabulation_.table.raters());
    const std::size_t patterns = std::size_t{1} << raters;
    Sums sums(tabulation_.table.raters());
    for (std::size_t b = 0; b < by_pattern.w.size(); ++b) {
        const double w = by_pattern.w[b], u = by_pattern.u[b];
        if (b >= patterns) {
            const std::size_t i = b / patterns - 1;
            sums.true_positive[i] += w;
            sums.false_negative[i] -= w;
            sums.false_positive[i] += u;
            sums.true_negative[i] -= u;
            continue;
        }
        sums.foreground += w;
        sums.background += u;
        for (std::size_t i = 0; i < raters; ++i) {
            (b >> i & 1 ? sums.true_positive : sums.false_negative)[i] += w;
            (b >> i & 1 ? sums.false_positive : sums.true_negative)[i] += u;
        }
    }
    return sums;
}

Sums MapByTable::expectation(const Performance& performance) {
    task_.team.look();
    const map::Moments& moments = of_patterns_ ? *of_patterns_ : moments_;
    const RowLogOdds odds = of_patterns_ ? log_odds_of_patterns(performance)
                                         : log_odds_of(tabulation_.table, task_.plan.model, performance);
    const std::size_t rows =
        of_patterns_ ? odds.log_odds.size() : static_cast<std::size_t>(tabulation_.table.size());
    const map::RowSums found = moments.sums(terms_of(odds, rows), task_.team);
    Sums sums = of_patterns_ ? sums_of_patterns(found)
                             : weighted_rows(table_rows_, task_.plan.model, task_.plan.m_step, performance,
                                             found.w, found.u);
    sums.count = census_.mean_vote.count;
    sums.log_likelihood = found.log_evidence + log_scale(odds, moments, rows);
    return sums;
}

map::Terms MapByTable::terms_of_rows(const Performance& performance) const {
    const auto rows = static_cast<std::size_t>(tabulation_.table.size());
    if (!of_patterns_) return terms_of(log_odds_of(tabulation_.table, task_.plan.model, performance), rows);
    const RowLogOdds odds = log_odds_of_patterns(performance);
    const map::Terms patterns = terms_of(odds, odds.log_odds.size());
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
