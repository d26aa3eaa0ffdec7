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
    // how far each truth's rates moved, and `undetermined` to 1 where the counts say nothing of them.
    void maximise(int rater, const double* counts, Matrices& theta, double* moved,
                  std::uint8_t* undetermined) const;

    // Rater i's part of log p(θ), without its constant.
    double log_prior(int rater, const Matrices& theta) const;

    // Whether a rate may be positive although its count is 0.
    bool leaves_zeros() const { return belief_ > 0 || by_class_; }

  private:
    double belief(std::size_t a, std::size_t b) const { // α[a, b] − 1
        return belief_ * ((a == b ? diagonal_ : 0) + (1 - diagonal_) * shares_[b]);
    }
    void set_rates(const double* counts, std::size_t a, double whole, double* theta) const;
    void set_by_class(const double* counts, std::size_t a, double whole, double* theta) const;

    double belief_ = 0, diagonal_ = 0;
    bool by_class_;
    std::vector<double> shares_;
    Matrices fixed_;
};

// The rows of labels that raters do not know: with 1 − δ what they say where the others' plurality is that
// label, with δ anything, as often as all say it. NaN elsewhere; empty without such raters.
Matrices unknown_rows(const LabelTable& table, const std::vector<std::vector<Code>>& unknown,
                      const std::vector<double>& shares, Watch& watch);

} // namespace fastfuse
