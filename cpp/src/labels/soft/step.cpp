#include "labels/soft/step.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "labels/soft/columns.hpp"

namespace fastfuse {
namespace {

constexpr double least_product = 1e-250; // below it, some product may have lost digits
constexpr double floor_of_rate = 1e-12;  // of log θ

void add_to(const std::vector<double>& from, std::vector<double>& to) {
    to.resize(from.size());
    for (std::size_t k = 0; k < from.size(); ++k)
        to[k] += from[k];
}

} // namespace

void SoftSums::add(const SoftSums& part) {
    log_likelihood += part.log_likelihood;
    add_to(part.mass, mass);
    add_to(part.counts, counts);
    add_to(part.seen, seen);
}

SoftStep::SoftStep(const SoftOptions& options, const Matrices& theta, const std::vector<double>& prior,
                   SoftTruth truth)
    : options_(options), prior_(prior), truth_(truth), labels_(prior.size()), factors_(theta.entries()),
      enumeration_(theta, prior, options.common.candidates) {
    if (options.model == SoftModel::log_linear)
        for (double& factor : factors_)
            factor = std::log(std::max(factor, floor_of_rate));
}

void SoftStep::resize(const SoftRows& rows) {
    if (capacity_ > 0) return;
    capacity_ = static_cast<std::size_t>(rows.capacity);
    truths_.resize(labels_ * capacity_);
    evidence_.resize(capacity_);
    weighed_.resize(capacity_);
    part_.resize(capacity_);
    const bool products = options_.model == SoftModel::mixture || options_.model == SoftModel::log_linear;
    if (products) likelihoods_.resize(static_cast<std::size_t>(rows.raters()) * labels_ * capacity_);
}

void SoftStep::find(const SoftRows& rows, SoftCounts counts, SoftSums* sums, const Worker& worker) {
    resize(rows);
    std::fill_n(evidence_.begin(), rows.size, 0.0);
    const bool enumerates = options_.model == SoftModel::enumeration && truth_ == SoftTruth::posterior;
    if (sums) {
        sums->mass.resize(labels_);
        sums->counts.resize(static_cast<std::size_t>(rows.raters()) * labels_ * labels_);
        sums->seen.resize(static_cast<std::size_t>(rows.raters()) * labels_);
    }
    if (enumerates) {
        enumerate(rows, sums && counts == SoftCounts::em ? sums->counts.data() : nullptr, worker);
        if (counts == SoftCounts::em) counts = SoftCounts::none;
    } else if (truth_ != SoftTruth::posterior || options_.model == SoftModel::mean) {
        find_shares(rows);
        if (truth_ == SoftTruth::plurality || truth_ == SoftTruth::untied) keep_most_voted(rows);
    } else {
        find_likelihoods(rows);
        find_products(rows);
    }
    if (sums) add_sums(rows, counts, *sums);
}

// w = Σ_i v_i q_i / Σ_i v_i of the raters who vote
void SoftStep::find_shares(const SoftRows& rows) {
    const std::vector<double>& weights = options_.common.weights;
    const auto weight = [&](int i) { return weights.empty() ? 1 : weights[static_cast<std::size_t>(i)]; };
    std::fill_n(part_.begin(), rows.size, 0.0);
    for (int i = 0; i < rows.raters(); ++i)
        columns::add(weight(i), rows.votes_of(i), rows.size, part_.data());
    for (std::size_t a = 0; a < labels_; ++a) {
        std::fill_n(w(a), rows.size, 0.0);
        for (int i = 0; i < rows.raters(); ++i)
            columns::add(weight(i), rows.q(i, a), rows.size, w(a));
        columns::divide(w(a), part_.data(), rows.size, w(a));
    }
}

void SoftStep::keep_most_voted(const SoftRows& rows) {
    for (std::int64_t r = 0; r < rows.size; ++r) {
        double most = 0, tied = 0;
        const double voters = part_[static_cast<std::size_t>(r)]; // with their weights
        for (std::size_t a = 0; a < labels_; ++a)
            most = std::max(most, w(a)[r] * voters);
        for (std::size_t a = 0; a < labels_; ++a)
            tied += w(a)[r] * voters >= most - tied_within;
        for (std::size_t a = 0; a < labels_; ++a)
            w(a)[r] = voters > 0 && w(a)[r] * voters >= most - tied_within ? 1 / tied : 0;
        for (std::size_t a = 0; a < labels_ && truth_ == SoftTruth::untied && tied > 1; ++a)
            w(a)[r] = 0;
    }
}

// a_i(a) = Σ_b q_i(b) θ_i[a, b], or exp Σ_b q_i(b) log θ_i[a, b]; 1 where the rater has no vote
void SoftStep::find_likelihoods(const SoftRows& rows) {
    const bool logs = options_.model == SoftModel::log_linear;
    for (int i = 0; i < rows.raters(); ++i)
        for (std::size_t a = 0; a < labels_; ++a) {
            double* to = likelihood(i, a);
            const double* there = rows.votes_of(i);
            for (std::int64_t r = 0; r < rows.size; ++r)
                to[r] = logs ? 0 : 1 - there[r];
            for (std::size_t b = 0; b < labels_; ++b) {
                const std::size_t place = (static_cast<std::size_t>(i) * labels_ + b) * labels_ + a;
                columns::add(factors_[place], rows.q(i, b), rows.size, to);
            }
            if (logs)
                for (std::int64_t r = 0; r < rows.size; ++r)
                    to[r] = std::exp(to[r]);
        }
}

// w(a) ∝ π(a) Π_i a_i(a)
void SoftStep::find_products(const SoftRows& rows) {
    const bool voted = options_.common.candidates == Candidates::voted;
    std::fill_n(part_.begin(), rows.size, 0.0);
    for (std::size_t a = 0; a < labels_; ++a) {
        double* product = w(a);
        if (const double* of_rows = rows.prior(a))
            std::copy_n(of_rows, rows.size, product);
        else
            std::fill_n(product, rows.size, prior_[a]);
        for (int i = 0; i < rows.raters(); ++i)
            columns::multiply(likelihood(i, a), rows.size, product);
        for (std::int64_t r = 0; r < rows.size && voted; ++r) {
            bool may_be = rows.count[static_cast<std::size_t>(r)] == 0; // nobody votes
            for (int i = 0; i < rows.raters() && !may_be; ++i)
                may_be = rows.q(i, a)[r] > 0;
            if (!may_be) product[r] = 0;
        }
        columns::add(1, product, rows.size, part_.data());
    }
    for (std::int64_t r = 0; r < rows.size; ++r)
        if (part_[static_cast<std::size_t>(r)] < least_product)
            find_by_logs(rows, r);
        else
            evidence_[static_cast<std::size_t>(r)] = std::log(part_[static_cast<std::size_t>(r)]);
    for (std::size_t a = 0; a < labels_; ++a)
        columns::divide(w(a), part_.data(), rows.size, w(a));
}

// Sets w of a row times `part_`, and the evidence; all 0 where the rates call the votes impossible.
void SoftStep::find_by_logs(const SoftRows& rows, std::int64_t r) {
    const bool voted = options_.common.candidates == Candidates::voted;
    double most = -std::numeric_limits<double>::infinity();
    for (std::size_t a = 0; a < labels_; ++a) {
        double sum = std::log(rows.prior(a) ? rows.prior(a)[r] : prior_[a]);
        double votes = 0;
        for (int i = 0; i < rows.raters(); ++i) {
            sum += std::log(likelihood(i, a)[r]);
            votes += rows.q(i, a)[r];
        }
        w(a)[r] = voted && votes == 0 ? -std::numeric_limits<double>::infinity() : sum;
        most = std::max(most, w(a)[r]);
    }
    const bool possible = std::isfinite(most);
    double whole = 0;
    for (std::size_t a = 0; a < labels_; ++a) {
        w(a)[r] = possible ? std::exp(w(a)[r] - most) : 0;
        whole += w(a)[r];
    }
    part_[static_cast<std::size_t>(r)] = whole;
    evidence_[static_cast<std::size_t>(r)] = possible ? most + std::log(whole) : 0;
}

void SoftStep::enumerate(const SoftRows& rows, double* counts, const Worker& worker) {
    Pace pace(worker);
    for (std::size_t a = 0; a < labels_; ++a)
        std::fill_n(w(a), rows.size, 0.0);
    for (std::int64_t r = 0; r < rows.size; ++r) {
        const std::vector<double>& truth = enumeration_.expect(rows, r, counts);
        for (std::size_t c = 0; c < enumeration_.codes().size(); ++c)
            w(enumeration_.codes()[c])[r] = truth[c];
        evidence_[static_cast<std::size_t>(r)] = enumeration_.evidence();
        if (pace.stopped_after(enumeration_.terms() * rows.raters())) return;
    }
}

// T_i[a, b] += Σ c w(a) v_i(b | a), with v = q, or v = q_i(b) θ_i[a, b] / a_i(a)
void SoftStep::add_sums(const SoftRows& rows, SoftCounts counts, SoftSums& sums) {
    sums.log_likelihood += columns::dot(rows.count.data(), evidence_.data(), rows.size);
    const bool em = counts == SoftCounts::em && options_.model == SoftModel::mixture;
    for (std::size_t a = 0; a < labels_; ++a) {
        std::copy_n(w(a), rows.size, weighed_.begin());
        columns::multiply(rows.count.data(), rows.size, weighed_.data());
        for (std::int64_t r = 0; r < rows.size; ++r)
            sums.mass[a] += weighed_[static_cast<std::size_t>(r)];
        for (int i = 0; i < rows.raters() && counts != SoftCounts::none; ++i) {
            const double* weight = weighed_.data();
            if (em) {
                columns::divide(weighed_.data(), likelihood(i, a), rows.size, part_.data());
                weight = part_.data();
            }
            const std::size_t rater = static_cast<std::size_t>(i) * labels_;
            for (std::size_t b = 0; b < labels_; ++b) {
                const std::size_t place = (rater + b) * labels_ + a;
                const double count = columns::dot(weight, rows.q(i, b), rows.size);
                sums.counts[place] += em ? factors_[place] * count : count;
            }
            if (!em) sums.seen[rater + a] += columns::dot(weight, rows.votes_of(i), rows.size);
        }
    }
}

} // namespace fastfuse
