#include "engines/row_sums.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "em/em.hpp"

namespace fastfuse {
namespace {

// log a_i1 and log a_i0 of a vote.
struct LogPair {
    double one, zero;
};

LogPair mixture(double q, const Performance& theta, std::size_t i) { // eq. (10)
    return {std::log(q * theta.sensitivity[i] + (1 - q) * theta.false_negative_rate[i]),
            std::log(q * theta.false_positive_rate[i] + (1 - q) * theta.specificity[i])};
}

LogPair log_linear(double q, const Performance& theta, std::size_t i) {
    return {q * std::log(theta.sensitivity[i]) + (1 - q) * std::log(theta.false_negative_rate[i]),
            q * std::log(theta.false_positive_rate[i]) + (1 - q) * std::log(theta.specificity[i])};
}

} // namespace

RowLogOdds log_odds_of(const VoteTable& table, Model model, const Performance& theta) {
    const auto rows = static_cast<std::size_t>(table.size());
    const auto log_a = model == Model::log_linear ? log_linear : mixture;
    RowLogOdds odds{std::vector<double>(rows + 1), std::vector<double>(rows + 1)};
    for (int i = 0; i < table.raters(); ++i) {
        const double* votes = table.votes_of(i);
        const auto rater = static_cast<std::size_t>(i);
        double vote = 0; // neighbours often have the same
        LogPair found = log_a(vote, theta, rater);
        const LogPair yes = log_a(1, theta, rater), no = found;
        for (std::size_t row = 0; row < rows; ++row) {
            if (is_missing(votes[row])) continue;
            if (votes[row] != vote) {
                vote = votes[row];
                found = vote == 1 ? yes : vote == 0 ? no : log_a(vote, theta, rater);
            }
            odds.log_odds[row] += found.one - found.zero;
            odds.log_zero[row] += found.zero;
        }
    }
    return odds;
}

RowLogOdds log_odds_of_patterns(const Performance& theta) {
    RowLogOdds odds{{0}, {0}};
    for (std::size_t i = 0; i < theta.sensitivity.size(); ++i) {
        const LogPair yes = mixture(1, theta, i), no = mixture(0, theta, i);
        for (std::size_t b = 0, n = odds.log_zero.size(); b < n; ++b) {
            odds.log_odds.push_back(odds.log_odds[b] + (yes.one - yes.zero));
            odds.log_zero.push_back(odds.log_zero[b] + yes.zero);
            odds.log_odds[b] += no.one - no.zero;
            odds.log_zero[b] += no.zero;
        }
    }
    return odds;
}

Sums weighted_rows(const TableRows& rows, Model model, MStep m_step, const Performance& theta,
                   const std::vector<double>& w, const std::vector<double>& u) {
    if (model == Model::log_linear) m_step = MStep::paper;
    Sums total(rows.raters());
    Posterior weights;
    std::vector<double> is_read;
    for (std::int64_t b = 0; b < rows.batches(); ++b) {
        Batch batch = rows.batch(b);
        weights.make_room(batch.rows);
        is_read.resize(static_cast<std::size_t>(batch.rows));
        for (std::int64_t r = 0; r < batch.rows; ++r)
            is_read[static_cast<std::size_t>(r)] = batch.count[r] > 0;
        batch.count = is_read.data();
        std::copy_n(w.begin() + b * batch_rows, batch.rows, weights.foreground.begin());
        std::copy_n(u.begin() + b * batch_rows, batch.rows, weights.background.begin());
        total.add(weighted_sums(batch, weights, m_step, theta));
    }
    return total;
}

Written written_rows(const VoteTable& table, const std::vector<double>& w, const std::vector<double>& u,
                     const Range& range) {
    Written written(table.raters());
    written.range = range;
    for (int i = 0; i < table.raters(); ++i) {
        const auto rater = static_cast<std::size_t>(i);
        const double* votes = table.votes_of(i);
        for (std::size_t row = 0; row < w.size(); ++row) {
            if (is_missing(votes[row])) continue;
            written.marked_by[rater] += w[row] * votes[row];
            written.seen_by[rater] += w[row];
            written.neither[rater] += u[row] * (1 - votes[row]);
        }
    }
    return written;
}

} // namespace fastfuse
