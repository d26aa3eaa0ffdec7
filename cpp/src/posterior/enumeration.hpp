// soft-STAPLE's exact expectation over the 2^m binary patterns.
//
// A soft pattern (q_1 … q_m) is a mixture of binary patterns B = (b_1 … b_m) with weights
// q(B) = Π_i q_i if b_i = 1, 1 − q_i if b_i = 0. Only fractional votes branch: f of them make 2^f terms.
//
//   w_t      Σ_B q_t(B) p(1|B)                                  eq. (9)
//
// Each row sums its own terms here. masses.hpp gathers the terms of a whole volume first.
#pragma once

#include <cstdint>
#include <memory>

#include "fastfuse/threads.hpp"
#include "posterior/product.hpp"
#include "posterior/statistics.hpp"

namespace fastfuse {

constexpr int most_fractional = 20; // greatest number of fractional votes at a voxel

// w, 1 − w and Σ_B q(B) log p(B) of one row.
struct RowAnswer {
    double foreground = 0, background = 0, log_likelihood = 0;
};

// Sums the 2^f terms of a row. Scratch of one thread.
class RowEnumerator {
  public:
    RowEnumerator(const Batch& batch, const Performance& performance);
    ~RowEnumerator();
    // With `sums`, also adds the four counts that the EM M-step needs, such as Σ c E[b_i p(1|B)].
    RowAnswer find(std::int64_t row, Sums* sums);
    std::int64_t terms() const; // of the last row

  private:
    class Terms;
    std::unique_ptr<Terms> terms_;
};

// Appends one rater to n products over subsets of raters. Entries with the rater's bit follow those without.
void branch(double* product, std::size_t n, double no, double yes);

} // namespace fastfuse
