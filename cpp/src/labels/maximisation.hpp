// M-step: rates from counts.
//
//   T_i[a, b]   expected number of voxels of truth a with rater i's vote b
//   α[a, b]     Dirichlet prior of each row of θ_i
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/labels.hpp"
#include "labels/matrices.hpp"

namespace fastfuse {

class Maximisation {
  public:
    // `shares`: of each label among all votes. `fixed`: rows that the M-step leaves, with the same entries in
    // every θ; those of other rows are NaN; empty: none.
    Maximisation(const LabelOptions& options, std::vector<double> shares, Matrices fixed);

    // Sets rater i's rates in `theta` from their counts; those of a truth without any stay. Sets `moved` to
    // how far each truth's rates moved, and `undetermined` to 1 where the counts say nothing of them. Returns
    // what `log_prior` does.
    double maximise(int rater, const double* counts, Matrices& theta, double* moved,
                    std::uint8_t* undetermined) const;

    // Brings rates that a jump made back to the model: one rate for each label, and rows that are fixed. What
    // misses it by rounding would grow with the square of each next jump.
    void restore(Matrices& theta) const;

    // Rater i's part of log p(θ), without its constant, and of the log-likelihood of the votes on voxels of
    // known truth.
    double log_prior(int rater, const Matrices& theta) const;

    // Whether a rate may be positive although its count is 0.
    bool leaves_zeros() const { return belief_ > 0 || by_class_ || !known_.empty(); }

  private:
    // α[a, b] − 1 of all a ≠ b, and what a = b has beyond it.
    double off_diagonal(std::size_t b) const { return belief_ * (1 - diagonal_) * shares_[b]; }
    double on_diagonal() const { return belief_ * diagonal_; }
    std::vector<double> with_known(int rater, const double* counts) const;
    std::vector<double> sums_of(const double* counts) const;
    void set_full(const double* counts, const std::vector<double>& whole, double* rates) const;
    void set_by_class(const double* counts, const std::vector<double>& whole, double* rates) const;
    void set_fixed(int rater, double* rates) const;
    double log_prior_of(const double* counts, const std::vector<double>& whole) const;

    double belief_ = 0, diagonal_ = 0;
    bool by_class_;
    std::vector<double> shares_, log_off_diagonal_, log_on_diagonal_;
    Matrices fixed_;
    std::vector<double> known_;
};

// Makes counts of each vote [a, b] sum to 1 over the truths.
void share_by_vote(Matrices& counts);

// Sets the rows of labels that a rater does not know; `said`: how often they give label b where the others'
// plurality is a, at b K + a.
void fix_unknown(const std::vector<Code>& unknown, const double* said, const std::vector<double>& shares,
                 double* fixed);

// The rows of labels that raters do not know: with 1 − δ what they say where the others' plurality is that
// label, with δ anything, as often as all say it. NaN elsewhere; empty without such raters.
Matrices unknown_rows(const LabelTable& table, const std::vector<std::vector<Code>>& unknown,
                      const std::vector<double>& shares, Watch& watch);

} // namespace fastfuse
