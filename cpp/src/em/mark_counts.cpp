// Whether a model expects about as many voxels with 0 to m marks as there are: a quick answer for masks.

#include "fastfuse/fusion.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

namespace fastfuse {
namespace {

using Counts = std::vector<double>; // entry k: how many voxels k raters mark

// Sums in another order differ in their last bits: what lies that near a limit is left to a closer look.
constexpr double rounding = 1e-9;

// None where a vote is missing, or is no 0 and no 1.
std::optional<Counts> observed(const VoteTable& table) {
    const auto rows = static_cast<std::size_t>(table.size());
    Counts marks(rows, 0), found(static_cast<std::size_t>(table.raters()) + 1, 0);
    for (int i = 0; i < table.raters(); ++i) {
        const double* votes = table.votes_of(i);
        for (std::size_t row = 0; row < rows; ++row) {
            if (table.counts()[row] > 0 && votes[row] != 0 && votes[row] != 1) return std::nullopt;
            marks[row] += votes[row];
        }
    }
    for (std::size_t row = 0; row < rows; ++row)
        if (table.counts()[row] > 0) found[static_cast<std::size_t>(marks[row])] += table.counts()[row];
    return found;
}

// Whether two raters vote alike everywhere: the closer look counts copies once.
bool has_copies(const VoteTable& table) {
    const auto rows = static_cast<std::size_t>(table.size());
    for (int j = 1; j < table.raters(); ++j)
        for (int i = 0; i < j; ++i) {
            const double *first = table.votes_of(i), *second = table.votes_of(j);
            std::size_t row = 0;
            while (row < rows && (table.counts()[row] <= 0 || first[row] == second[row]))
                ++row;
            if (row == rows) return true;
        }
    return false;
}

// A rate that nothing determines belongs to votes that do not occur: any number will do.
double known(double rate) { return std::isnan(rate) ? 0.5 : rate; }

// Adds `voxels` times the chance of 0 to m marks where rater i marks with the chance mark[i]: a sum of
// independent marks, whose distribution grows by one rater at a time.
void add_expected(double voxels, const std::vector<double>& mark, const std::vector<double>& no_mark,
                  Counts& to) {
    Counts chance(to.size(), 0);
    chance[0] = 1;
    for (std::size_t i = 0; i < mark.size(); ++i)
        for (std::size_t marks = i + 2; marks-- > 0;)
            chance[marks] =
                known(no_mark[i]) * chance[marks] + (marks > 0 ? known(mark[i]) * chance[marks - 1] : 0);
    for (std::size_t marks = 0; marks < to.size(); ++marks)
        to[marks] += voxels * chance[marks];
}

} // namespace

bool surely_fits(const VoteTable& table, const Estimate& estimate, const MarkLimits& limits) {
    const std::size_t rated = estimate.performance.sensitivity.size(); // none of a majority vote
    if (estimate.border || estimate.classes || table.may_miss() ||
        rated != static_cast<std::size_t>(table.raters()))
        return false;
    const std::optional<Counts> there = observed(table);
    if (!there || has_copies(table)) return false;
    double voxels = 0;
    for (const double count : *there)
        voxels += count;
    const Performance& rates = estimate.performance;
    Counts wanted(there->size(), 0);
    add_expected(voxels * rates.prior, rates.sensitivity, rates.false_negative_rate, wanted);
    add_expected(voxels * (1 - rates.prior), rates.false_positive_rate, rates.specificity, wanted);
    const double least = std::max(limits.least_voxels, limits.least_share * (voxels - there->front()));
    for (std::size_t marks = 0; marks < wanted.size(); ++marks) {
        const auto [low, high] = std::minmax((*there)[marks], wanted[marks]);
        if (high >= least * (1 - rounding) && high > limits.times * low * (1 - rounding)) return false;
    }
    return true;
}

} // namespace fastfuse
