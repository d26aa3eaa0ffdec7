// A K × K matrix for each rater: rates, or counts.
#pragma once

#include <cstddef>
#include <vector>

namespace fastfuse {

// The entry of rater i, truth a and vote b lies at (i K + b) K + a: what the E-step reads for a vote is one
// run.
class Matrices {
  public:
    Matrices() = default;
    Matrices(int raters, std::size_t labels, double value = 0)
        : labels_(labels), entries_(static_cast<std::size_t>(raters) * labels * labels, value) {}

    std::size_t labels() const { return labels_; }
    std::size_t per_rater() const { return labels_ * labels_; }
    double* of_rater(int i) { return entries_.data() + static_cast<std::size_t>(i) * per_rater(); }
    const double* of_rater(int i) const {
        return entries_.data() + static_cast<std::size_t>(i) * per_rater();
    }
    // Of every truth, for the rater's vote b.
    const double* of_vote(int i, std::size_t b) const { return of_rater(i) + b * labels_; }
    std::vector<double>& entries() { return entries_; }
    const std::vector<double>& entries() const { return entries_; }

  private:
    std::size_t labels_ = 0;
    std::vector<double> entries_;
};

} // namespace fastfuse
