#include "labels/maximisation.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "labels/truths.hpp"

namespace fastfuse {
namespace {

constexpr double floor_of_rate = 1e-12; // in the logarithm of the prior
constexpr double says_other = 1e-3;     // δ of a rater who does not know a label
// Of a rate that EM is driving to 0. At every row some label has w ≥ 1 / K, and rates far above it; left
// alone, such rates become denormal numbers, which are slow.
constexpr double vanished = 1e-150;

} // namespace

Maximisation::Maximisation(const LabelOptions& options, std::vector<double> shares, Matrices fixed)
    : by_class_(options.confusion == ConfusionModel::by_class), shares_(std::move(shares)),
      fixed_(std::move(fixed)) {
    if (!options.performance_prior) return;
    belief_ = options.performance_prior->belief;
    diagonal_ = options.performance_prior->diagonal;
}

void Maximisation::maximise(int rater, const double* counts, Matrices& theta, double* moved,
                            std::uint8_t* undetermined) const {
    const std::size_t labels = shares_.size();
    std::vector<double> whole(labels),
        before(theta.of_rater(rater), theta.of_rater(rater) + theta.per_rater());
    for (std::size_t b = 0; b < labels; ++b)
        for (std::size_t a = 0; a < labels; ++a)
            whole[a] += counts[b * labels + a] + (belief_ > 0 ? belief(a, b) : 0);
    double* rates = theta.of_rater(rater);
    for (std::size_t a = 0; a < labels; ++a) {
        undetermined[a] = !(whole[a] > 0);
        if (by_class_)
            set_by_class(counts, a, whole[a], rates);
        else if (whole[a] > 0)
            set_rates(counts, a, whole[a], rates);
    }
    for (std::size_t k = 0; k < before.size() && !fixed_.entries().empty(); ++k)
        if (const double fixed = fixed_.of_rater(rater)[k]; !std::isnan(fixed)) rates[k] = fixed;
    std::fill_n(moved, labels, 0.0);
    for (std::size_t k = 0; k < before.size(); ++k)
        moved[k % labels] = std::max(moved[k % labels], std::abs(rates[k] - before[k]));
}

// θ[a, b] = (T[a, b] + α[a, b] − 1) / Σ_b of the same
void Maximisation::set_rates(const double* counts, std::size_t a, double whole, double* theta) const {
    const std::size_t labels = shares_.size();
    for (std::size_t b = 0; b < labels; ++b) {
        const double part = counts[b * labels + a] + (belief_ > 0 ? belief(a, b) : 0);
        const double rate = part / whole;
        theta[b * labels + a] = rate > vanished ? rate : 0;
    }
}

// s = T[a, a] / Σ_b T[a, b], with the prior's counts    θ[a, b ≠ a] = (1 − s) π(b) / (1 − π(a))
void Maximisation::set_by_class(const double* counts, std::size_t a, double whole, double* theta) const {
    const std::size_t labels = shares_.size();
    double others = 0;
    for (std::size_t b = 0; b < labels; ++b)
        if (b != a) others += counts[b * labels + a] + (belief_ > 0 ? belief(a, b) : 0);
    const double own = counts[a * labels + a] + (belief_ > 0 ? belief(a, a) : 0);
    const double s = whole > 0 ? own / whole : theta[a * labels + a];
    const double rest = whole > 0 ? others / whole : 1 - s;
    for (std::size_t b = 0; b < labels; ++b)
        theta[b * labels + a] = b == a ? s : shares_[a] < 1 ? rest * shares_[b] / (1 - shares_[a]) : 0;
}

double Maximisation::log_prior(int rater, const Matrices& theta) const {
    if (belief_ == 0) return 0;
    const std::size_t labels = shares_.size();
    double sum = 0;
    for (std::size_t b = 0; b < labels; ++b)
        for (std::size_t a = 0; a < labels; ++a)
            if (const double weight = belief(a, b); weight > 0)
                sum += weight * std::log(std::max(theta.of_vote(rater, b)[a], floor_of_rate));
    return sum;
}

Matrices unknown_rows(const LabelTable& table, const std::vector<std::vector<Code>>& unknown,
                      const std::vector<double>& shares, Watch& watch) {
    const std::size_t labels = table.kinds();
    Matrices fixed;
    for (std::size_t i = 0; i < unknown.size(); ++i) {
        if (unknown[i].empty()) continue;
        if (fixed.entries().empty()) fixed = Matrices(table.raters, labels, std::nan(""));
        const auto rater = static_cast<int>(i);
        std::vector<double> others(static_cast<std::size_t>(table.raters), 1); // this rater has no say
        others[i] = 0;
        const RowTruths guess = first_guess(table, LabelStart::plurality, others, watch);
        std::vector<double> said(labels * labels); // [a, b] at b K + a
        for (std::size_t row = 0; row < table.counts.size(); ++row)
            if (const Code vote = table.codes_of(rater)[row]; vote != no_code)
                for (auto k = static_cast<std::size_t>(guess.first[row]);
                     k < static_cast<std::size_t>(guess.first[row + 1]); ++k)
                    said[vote * labels + guess.code[k]] += table.counts[row] * guess.weight[k];
        for (const Code a : unknown[i]) {
            double whole = 0;
            for (std::size_t b = 0; b < labels; ++b)
                whole += said[b * labels + a];
            for (std::size_t b = 0; b < labels; ++b) {
                const double instead = whole > 0 ? said[b * labels + a] / whole : b == 0;
                fixed.of_rater(rater)[b * labels + a] = (1 - says_other) * instead + says_other * shares[b];
            }
        }
    }
    return fixed;
}

} // namespace fastfuse
