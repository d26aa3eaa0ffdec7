#include "engines/map/expectation.hpp"

#include <algorithm>
#include <cmath>

#include "engines/lanes/tile.hpp"

namespace fastfuse::map {
namespace {

// With V_i(B), the votes' part is Σ_B b_i W(B) + V_i(B), W(B) the pattern's sum.
fastfuse::Sums sums_of_patterns(const RowSums& by_pattern, std::size_t raters) {
    const std::size_t patterns = std::size_t{1} << raters;
    fastfuse::Sums sums(static_cast<int>(raters));
    for (std::size_t b = 0; b < patterns; ++b) {
        const double w = by_pattern.w[b], u = by_pattern.u[b];
        sums.foreground += w;
        sums.background += u;
        for (std::size_t i = 0; i < raters; ++i) {
            (b >> i & 1 ? sums.true_positive : sums.false_negative)[i] += w;
            (b >> i & 1 ? sums.false_positive : sums.true_negative)[i] += u;
        }
    }
    for (std::size_t row = patterns; row < by_pattern.w.size(); ++row) {
        const std::size_t i = (row - patterns) / (patterns / 2);
        sums.true_positive[i] += by_pattern.w[row];
        sums.false_negative[i] -= by_pattern.w[row];
        sums.false_positive[i] += by_pattern.u[row];
        sums.true_negative[i] -= by_pattern.u[row];
    }
    return sums;
}

// Appends the terms of the rows of V_i(B), which count with both signs.
void add_votes(Terms& terms, int raters) {
    const auto add = [&](double sign, std::size_t pattern) {
        terms.add(sign, terms.one[pattern], terms.zero[pattern]);
    };
    terms.scored = std::size_t{1} << raters;
    for (int i = 0; i < raters; ++i)
        for (std::size_t others = 0; others < terms.scored / 2; ++others) {
            const std::size_t without = kernels::with_rater(others, i);
            add(1, without);
            add(-1, without | std::size_t{1} << i);
            terms.end_row();
        }
}

} // namespace

Terms terms_of(const RowLogOdds& odds, std::size_t rows) {
    Terms terms;
    for (std::size_t row = 0; row < rows; ++row) {
        const double s = odds.log_odds[row];
        terms.add(1, std::exp(std::min(s, 0.0)), std::exp(std::min(-s, 0.0)));
        terms.end_row();
    }
    return terms;
}

double log_scale(const RowLogOdds& odds, const Moments& moments, std::size_t rows) {
    double sum = 0;
    for (std::size_t row = 0; row < rows; ++row)
        sum += moments.count(row) * (odds.log_zero[row] + std::max(odds.log_odds[row], 0.0));
    return sum;
}

Terms patterns_as_terms(const Performance& performance) {
    const RowLogOdds odds = log_odds_of_patterns(performance);
    return terms_of(odds, odds.log_odds.size());
}

fastfuse::Sums expectation_of_patterns(const Moments& moments, const Performance& performance,
                                       const Team& team) {
    const RowLogOdds odds = log_odds_of_patterns(performance);
    const std::size_t patterns = odds.log_odds.size();
    const auto raters = static_cast<int>(performance.sensitivity.size());
    Terms terms = terms_of(odds, patterns);
    if (moments.rows() > patterns) add_votes(terms, raters);
    const RowSums found = moments.sums(terms, team);
    fastfuse::Sums sums = sums_of_patterns(found, performance.sensitivity.size());
    sums.log_likelihood = found.log_evidence + log_scale(odds, moments, patterns);
    return sums;
}

} // namespace fastfuse::map
