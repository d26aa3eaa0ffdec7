// The binary patterns in which a row's fractional votes take part.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "posterior/enumeration.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// Binary patterns of the first `raters` raters that have a positive weight in a soft pattern, with their
// weights.
class Spread {
  public:
    explicit Spread(int raters)
        : raters_(raters), weight_(std::size_t{1} << raters), pattern_(weight_.size()) {}

    // Divides the weight `whole` by each fractional vote q, into q and 1 − q of it.
    void spread(const Batch& batch, std::int64_t row, double whole) {
        size_ = 1;
        weight_[0] = whole;
        pattern_[0] = 0;
        for (int i = 0; i < raters_; ++i) {
            const double q = batch.votes_of(i)[row];
            const std::uint32_t bit = std::uint32_t{1} << i;
            if (is_fractional(q)) {
                branch(weight_.data(), size_, 1 - q, q);
                for (std::size_t b = 0; b < size_; ++b)
                    pattern_[size_ + b] = pattern_[b] | bit;
                size_ *= 2;
            } else if (q == 1) {
                for (std::size_t b = 0; b < size_; ++b)
                    pattern_[b] |= bit;
            }
        }
    }

    std::size_t size() const { return size_; }
    bool is_whole() const { return size_ == weight_.size(); } // term b is pattern b
    const double* weight() const { return weight_.data(); }
    const std::uint32_t* pattern() const { return pattern_.data(); }

  private:
    int raters_;
    std::size_t size_ = 0;
    std::vector<double> weight_;
    std::vector<std::uint32_t> pattern_;
};

} // namespace fastfuse
