// EM on vote patterns that somebody has counted: what a bootstrap repeats.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// Patterns and their counts, held by the caller: vote i of pattern r is vote[i * size + r].
class PatternRows : public Rows {
  public:
    PatternRows(int raters, std::int64_t size, const double* vote, const double* count)
        : raters_(raters), size_(size), vote_(vote), count_(count) {}
    int raters() const override { return raters_; }
    std::int64_t batches() const override { return (size_ + batch_rows - 1) / batch_rows; }
    std::unique_ptr<BatchReader> reader() const override;
    Batch batch(std::int64_t index) const;

  private:
    int raters_;
    std::int64_t size_;
    const double *vote_, *count_;
};

// Starts from `start`, with its prior where the prior is estimated.
Estimate fit(const Rows& rows, const Options& options, const Performance& start, const Team& team);

// A volume's patterns.
struct Tabulated {
    std::int64_t size = 0;
    std::vector<double> vote, count;   // as above; a missing vote is missing_vote
    std::vector<std::int32_t> pattern; // of each voxel; -1 where it does not count
};

// Nothing if there are more patterns than pay. Throws BadInput, Interrupted.
std::optional<Tabulated> tabulate(const Votes& votes, bool disputed_only, int threads, const ShouldStop& ask);

// The model that rows go through one by one.
Model model_of(const Options& options);

// Whether one table of 2^m masses for all rows is cheaper than each row's own expectation anew in every
// iteration. `terms`: Σ 2^f over the rows; `row_cost`: of one E-step over them, in nanoseconds.
bool pays_masses(const Options& options, int raters, double terms, double row_cost);

// The same of masses gathered in lanes, all 2^m terms of a voxel; `fractional`: votes of a voxel, on average.
bool pays_lanes(const Options& options, const Votes& votes, double fractional);

} // namespace fastfuse
