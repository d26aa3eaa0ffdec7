#include "labels/maximisation.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "labels/truths.hpp"

namespace fastfuse {
namespace {

constexpr double says_other = 1e-3; // δ of a rater who does not know a label
// Of a rate that EM is driving to 0. At every row some label has w ≥ 1 / K, and rates far above it; left
// alone, such rates become denormal numbers, which are slow.
constexpr double vanished = 1e-150;

} // namespace

Maximisation::Maximisation(const LabelOptions& options, std::vector<double> shares, Matrices fixed)
    : by_class_(options.confusion == ConfusionModel::by_class), shares_(std::move(shares)),
      fixed_(std::move(fixed)), known_(options.known) {
    if (!options.performance_prior) return;
    belief_ = options.performance_prior->belief;
    diagonal_ = options.performance_prior->diagonal;
    for (std::size_t b = 0; b < shares_.size(); ++b) {
        log_off_diagonal_.push_back(std::log(off_diagonal(b)));
        log_on_diagonal_.push_back(std::log(off_diagonal(b) + on_diagonal()));
    }
}

double Maximisation::maximise(int rater, const double* counts, Matrices& theta, double* moved,
                              std::uint8_t* undetermined) const {
    const std::size_t labels = shares_.size();
    const std::vector<double> all = with_known(rater, counts);
    if (!all.empty()) counts = all.data();
    double* rates = theta.of_rater(rater);
    const std::vector<double> before(rates, rates + theta.per_rater());
    const std::vector<double> whole = sums_of(counts);
    if (by_class_)
        set_by_class(counts, whole, rates);
    else
        set_full(counts, whole, rates);
    set_fixed(rater, rates);
    std::fill_n(moved, labels, 0.0);
    for (std::size_t b = 0; b < labels; ++b)
        for (std::size_t a = 0; a < labels; ++a)
            moved[a] = std::max(moved[a], std::abs(rates[b * labels + a] - before[b * labels + a]));
    for (std::size_t a = 0; a < labels; ++a)
        undetermined[a] = !(whole[a] > 0);
    const bool as_counted = !by_class_ && fixed_.entries().empty() && known_.empty();
    return as_counted ? log_prior_of(counts, whole) : log_prior(rater, theta);
}

// T with the votes on voxels of known truth; nothing where there are none.
std::vector<double> Maximisation::with_known(int rater, const double* counts) const {
    if (known_.empty()) return {};
    const std::size_t entries = shares_.size() * shares_.size();
    const double* known = known_.data() + static_cast<std::size_t>(rater) * entries;
    std::vector<double> all(counts, counts + entries);
    for (std::size_t k = 0; k < entries; ++k)
        all[k] += known[k];
    return all;
}

// Σ_b T[a, b] + α[a, b] − 1
std::vector<double> Maximisation::sums_of(const double* counts) const {
    const std::size_t labels = shares_.size();
    std::vector<double> whole(labels);
    for (std::size_t b = 0; b < labels; ++b) {
        const double off = off_diagonal(b);
        for (std::size_t a = 0; a < labels; ++a)
            whole[a] += counts[b * labels + a] + off;
        whole[b] += on_diagonal();
    }
    return whole;
}

// θ[a, b] = (T[a, b] + α[a, b] − 1) / Σ_b of the same
void Maximisation::set_full(const double* counts, const std::vector<double>& whole, double* rates) const {
    const std::size_t labels = shares_.size();
    for (std::size_t b = 0; b < labels; ++b) {
        const double off = off_diagonal(b);
        const double* part = counts + b * labels;
        double* rate = rates + b * labels;
        const double own = part[b] + off + on_diagonal();
        for (std::size_t a = 0; a < labels; ++a) {
            const double share = (a == b ? own : part[a] + off) / whole[a];
            rate[a] = whole[a] > 0 ? (share > vanished ? share : 0) : rate[a];
        }
    }
}

// s = T[a, a] / Σ_b T[a, b], with the prior's counts    θ[a, b ≠ a] = (1 − s) π(b) / (1 − π(a))
void Maximisation::set_by_class(const double* counts, const std::vector<double>& whole, double* rates) const {
    const std::size_t labels = shares_.size();
    for (std::size_t a = 0; a < labels; ++a) {
        double others = 0;
        for (std::size_t b = 0; b < labels; ++b)
            if (b != a) others += counts[b * labels + a] + off_diagonal(b);
        const double own = counts[a * labels + a] + off_diagonal(a) + on_diagonal();
        const double s = whole[a] > 0 ? own / whole[a] : rates[a * labels + a];
        const double rest = whole[a] > 0 ? others / whole[a] : 1 - s;
        for (std::size_t b = 0; b < labels; ++b)
            rates[b * labels + a] = b == a ? s : shares_[a] < 1 ? rest * shares_[b] / (1 - shares_[a]) : 0;
    }
}

void Maximisation::restore(Matrices& theta) const {
    const std::size_t labels = shares_.size();
    for (int rater = 0; rater < static_cast<int>(theta.entries().size() / theta.per_rater()); ++rater) {
        double* rates = theta.of_rater(rater);
        for (std::size_t a = 0; a < labels && by_class_; ++a) {
            double others = 0;
            for (std::size_t b = 0; b < labels; ++b)
                if (b != a) others += rates[b * labels + a];
            for (std::size_t b = 0; b < labels && shares_[a] < 1; ++b)
                if (b != a) rates[b * labels + a] = others * shares_[b] / (1 - shares_[a]);
        }
        set_fixed(rater, rates);
    }
}

void Maximisation::set_fixed(int rater, double* rates) const {
    if (fixed_.entries().empty()) return;
    const double* fixed = fixed_.of_rater(rater);
    for (std::size_t k = 0; k < fixed_.per_rater(); ++k)
        if (!std::isnan(fixed[k])) rates[k] = fixed[k];
}

// Of the rates that the counts give: most counts are 0, where the logarithm of T + α − 1 is known.
double Maximisation::log_prior_of(const double* counts, const std::vector<double>& whole) const {
    if (belief_ == 0) return 0;
    const std::size_t labels = shares_.size();
    double sum = 0;
    for (std::size_t a = 0; a < labels; ++a)
        sum -= belief_ * std::log(whole[a]);
    for (std::size_t b = 0; b < labels; ++b) {
        const double off = off_diagonal(b);
        const double* part = counts + b * labels;
        if (off > 0) {
            sum += static_cast<double>(labels - 1) * off * log_off_diagonal_[b];
            for (std::size_t a = 0; a < labels; ++a)
                if (part[a] > 0 && a != b) sum += off * (std::log(part[a] + off) - log_off_diagonal_[b]);
        }
        const double own = off + on_diagonal();
        if (own > 0) sum += own * std::log(part[b] + own);
    }
    return sum;
}

double Maximisation::log_prior(int rater, const Matrices& theta) const {
    if (belief_ == 0 && known_.empty()) return 0;
    const std::size_t labels = shares_.size();
    const double* known =
        known_.empty() ? nullptr : known_.data() + static_cast<std::size_t>(rater) * labels * labels;
    double sum = 0;
    for (std::size_t b = 0; b < labels; ++b)
        for (std::size_t a = 0; a < labels; ++a) {
            const double weight =
                off_diagonal(b) + (a == b ? on_diagonal() : 0) + (known ? known[b * labels + a] : 0);
            if (weight > 0) sum += weight * std::log(theta.of_vote(rater, b)[a]);
        }
    return sum;
}

void share_by_vote(Matrices& counts) {
    const std::size_t labels = counts.labels();
    for (std::size_t run = 0; run < counts.entries().size(); run += labels) {
        double* of_vote = counts.entries().data() + run;
        double whole = 0;
        for (std::size_t a = 0; a < labels; ++a)
            whole += of_vote[a];
        for (std::size_t a = 0; a < labels && whole > 0; ++a)
            of_vote[a] /= whole;
    }
}

void fix_unknown(const std::vector<Code>& unknown, const double* said, const std::vector<double>& shares,
                 double* fixed) {
    const std::size_t labels = shares.size();
    for (const Code a : unknown) {
        double whole = 0;
        for (std::size_t b = 0; b < labels; ++b)
            whole += said[b * labels + a];
        for (std::size_t b = 0; b < labels; ++b) {
            const double instead = whole > 0 ? said[b * labels + a] / whole : b == 0;
            fixed[b * labels + a] = (1 - says_other) * instead + says_other * shares[b];
        }
    }
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
        fix_unknown(unknown[i], said.data(), shares, fixed.of_rater(rater));
    }
    return fixed;
}

} // namespace fastfuse
