// The coefficients of series.hpp, of the bins that voxels fall into: found when a voxel first does.
#pragma once

#include <cstdint>
#include <vector>

#include "engines/field/sweep.hpp"
#include "engines/lanes/masses/series.hpp"

namespace fastfuse {

// Bins are numbered from the least logit on.
constexpr auto all_bins =
    static_cast<std::int32_t>((greatest_logit - least_logit) * kernels::bins_a_unit) + 1;
inline double middle_of(std::int32_t bin) { return least_logit + (bin + 0.5) / kernels::bins_a_unit; }

// Scratch of one thread.
template <class T> class PatternSeries {
  public:
    PatternSeries(int raters, bool with_marks);
    // With other rates all coefficients change. `log_odds`: S_B of each pattern, bit i the mark of rater i.
    void begin(const std::vector<double>& log_odds, std::int64_t sweep);
    // Valid until the next call.
    const kernels::SeriesTable<T>& of(std::int32_t bin);

  private:
    struct Bin {
        kernels::SeriesTable<T> table;
        std::vector<T> values; // of the table
    };
    void forget();
    Bin find(std::int32_t bin) const;

    const int first_, second_; // number of raters of A, and of C
    const bool with_marks_;
    const std::size_t size_, room_; // values of a bin; number of bins that are held at once
    std::int64_t sweep_ = -1;
    std::vector<double> log_odds_;
    std::vector<std::int32_t> held_; // of each bin: its number among those held; -1: none
    std::vector<Bin> bins_;
};

extern template class PatternSeries<float>;
extern template class PatternSeries<double>;

} // namespace fastfuse
