#include "classes/em.hpp"

#include <algorithm>
#include <cmath>

#include "posterior/normalise.hpp"

namespace fastfuse::classes {
namespace {

using Triple = std::array<double, latent_classes>;

constexpr Triple first_marks{0.02, 0.485, 0.95}, first_masses{0.8, 0.33, 0.33};
constexpr double added = 0.5; // to every count

struct Sums {
    explicit Sums(std::size_t raters = 0) : marks(raters), empty(raters) {}
    void add(const Sums& other) {
        for (std::size_t k = 0; k < latent_classes; ++k) {
            for (std::size_t i = 0; i < marks.size(); ++i) {
                marks[i][k] += other.marks[i][k];
                empty[i][k] += other.empty[i][k];
            }
            held[k] += other.held[k];
        }
        log_likelihood += other.log_likelihood;
    }
    std::vector<Triple> marks, empty; // Σ n r q, Σ n r (1 − q)
    Triple held{};                    // Σ n r
    double log_likelihood = 0;
};

Sums sums_of(const Batch& batch, const Posteriors& posteriors, const Worker& worker) {
    Sums sums(static_cast<std::size_t>(batch.raters));
    Pace pace(worker);
    Triple r;
    for (std::int64_t row = 0; row < batch.rows; ++row) {
        const double count = batch.count[row];
        if (count == 0) continue;
        if (pace.stopped_after(batch.raters)) break;
        sums.log_likelihood += count * posteriors.of(batch, row, r);
        for (std::size_t k = 0; k < latent_classes; ++k)
            sums.held[k] += count * r[k];
        for (std::size_t i = 0; i < sums.marks.size(); ++i) {
            const double q = batch.votes_of(static_cast<int>(i))[row];
            if (is_missing(q)) continue;
            for (std::size_t k = 0; k < latent_classes; ++k) {
                sums.marks[i][k] += count * r[k] * q;
                sums.empty[i][k] += count * r[k] * (1 - q);
            }
        }
    }
    return sums;
}

Sums expectation(const Rows& rows, const Classes& classes, const Team& team) {
    const Posteriors posteriors(classes);
    return sum_over(rows, team, Sums(classes.marks.size()), [&] {
        return [&](const Batch& batch, const Worker& worker) { return sums_of(batch, posteriors, worker); };
    });
}

// Returns the largest move of a rate.
double maximise(const Sums& sums, Classes& classes) {
    double moved = 0, whole = 0;
    for (const double held : sums.held)
        whole += held + added;
    for (std::size_t k = 0; k < latent_classes; ++k) {
        classes.shares[k] = (sums.held[k] + added) / whole;
        for (std::size_t i = 0; i < classes.marks.size(); ++i) {
            const double mark = sums.marks[i][k] + added, empty = sums.empty[i][k] + added;
            const double rate = mark / (mark + empty);
            moved = std::max(moved, std::abs(rate - classes.marks[i][k]));
            classes.marks[i][k] = rate;
            classes.no_marks[i][k] = empty / (mark + empty);
        }
    }
    return moved;
}

Classes first_guess(std::size_t raters) {
    Classes classes;
    double whole = 0;
    for (const double mass : first_masses)
        whole += mass;
    for (std::size_t k = 0; k < latent_classes; ++k)
        classes.shares[k] = first_masses[k] / whole;
    classes.marks.assign(raters, first_marks);
    classes.no_marks.assign(raters, first_marks);
    for (Triple& one : classes.no_marks)
        for (double& rate : one)
            rate = 1 - rate;
    return classes;
}

} // namespace

Posteriors::Posteriors(const Classes& classes)
    : log_mark_(classes.marks), log_no_mark_(classes.no_marks), log_share_(classes.shares) {
    for (std::size_t k = 0; k < latent_classes; ++k) {
        log_share_[k] = std::log(log_share_[k]);
        for (std::size_t i = 0; i < log_mark_.size(); ++i) {
            log_mark_[i][k] = std::log(log_mark_[i][k]);
            log_no_mark_[i][k] = std::log(log_no_mark_[i][k]);
        }
    }
}

double Posteriors::of(const Batch& batch, std::int64_t row, Triple& r) const {
    r = log_share_;
    for (std::size_t i = 0; i < log_mark_.size(); ++i) {
        const double q = batch.votes_of(static_cast<int>(i))[row];
        if (is_missing(q)) continue;
        for (std::size_t k = 0; k < latent_classes; ++k)
            r[k] += q * log_mark_[i][k] + (1 - q) * log_no_mark_[i][k];
    }
    return normalise(r);
}

double Posteriors::consensus(const Batch& batch, std::int64_t row) const {
    Triple r;
    of(batch, row, r);
    return r[2] + 0.5 * r[1];
}

Fit fit(const Rows& rows, double tol, int max_iter, const Team& team) {
    Fit fit;
    fit.classes = first_guess(static_cast<std::size_t>(rows.raters()));
    Sums sums = expectation(rows, fit.classes, team);
    while (!fit.converged && static_cast<int>(fit.log_likelihood.size()) < max_iter) {
        team.look();
        fit.converged = maximise(sums, fit.classes) <= tol;
        sums = expectation(rows, fit.classes, team);
        fit.log_likelihood.push_back(sums.log_likelihood);
    }
    return fit;
}

} // namespace fastfuse::classes
