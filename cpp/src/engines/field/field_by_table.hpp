// Engine of the Markov random field on vote patterns: see mean_field.hpp.
//
// The log-odds of a voxel are logit π'_t + S[row]. S is found once a row; only π'_t and w_t differ between
// the voxels of a row. The M-step takes sums of rows, W[row] = Σ_t w_t.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engines/disputed.hpp"
#include "engines/field/checkerboard.hpp"
#include "engines/field/sweep.hpp"
#include "engines/rows.hpp"
#include "support/raw_vector.hpp"

namespace fastfuse {

// Σ w and Σ (1 − w) of each row, and the likelihood without Σ_i log a_i0.
struct FieldSums {
    explicit FieldSums(std::size_t rows = 0) : w(rows), u(rows) {}
    void add(const FieldSums& other);
    std::vector<double> w, u;
    double log_evidence = 0;
};

// Σ w and Σ (1 − w) of each row, of the consensus that is written.
struct RowAnswers {
    explicit RowAnswers(std::size_t rows = 0) : w(rows), u(rows) {}
    void add(const RowAnswers& other) {
        for (std::size_t row = 0; row < w.size(); ++row) {
            w[row] += other.w[row];
            u[row] += other.u[row];
        }
        range.include(other.range);
    }
    std::vector<double> w, u;
    Range range;
};

// Adds to a row's answers, in registers while voxels of one row follow each other.
class RowRun {
  public:
    RowRun(RowAnswers& answers, std::int32_t none) : answers_(answers), row_(none), none_(none) {}
    void add(std::int32_t row, double value) {
        if (row != row_) open(row);
        w_ += value;
        u_ += 1 - value;
        range_.include(value);
    }
    void close() {
        if (row_ != none_) {
            answers_.w[static_cast<std::size_t>(row_)] = w_;
            answers_.u[static_cast<std::size_t>(row_)] = u_;
        }
        answers_.range.include(range_);
    }

  private:
    void open(std::int32_t row) {
        close();
        row_ = row;
        w_ = answers_.w[static_cast<std::size_t>(row)];
        u_ = answers_.u[static_cast<std::size_t>(row)];
    }
    RowAnswers& answers_;
    Range range_;
    double w_ = 0, u_ = 0;
    std::int32_t row_;
    const std::int32_t none_;
};

// W: of w, float or double as the consensus is. R: of a row's number.
template <class W, class R> class FieldByTable : public TableEngine {
  public:
    // `region`: its agreed voxels keep their value; may be null.
    FieldByTable(const Task& task, Tabulation tabulation, const Region* region);

    Sums expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;

  private:
    void start();
    void place_block(std::int64_t block, const std::vector<double>& mean, std::int32_t* rows);
    std::int64_t jobs() const;
    FieldSums sweep(int colour, double logit_prior, const std::vector<double>& log_odds);
    // Two sums a row, of every other voxel: an addition need not wait for the one before.
    void sweep_line(std::int64_t line, int colour, double logit_prior, const std::vector<double>& log_odds,
                    SweepScratch& scratch, FieldSums& sums);
    void find_logits(std::int64_t line, int half, std::int64_t first, std::int64_t some, double logit_prior,
                     double* logit) const;
    void take_rows(const R* row, std::int64_t some, const SweepScratch& scratch, FieldSums& sums, W* w) const;
    void take_row(R row, std::int64_t some, const SweepScratch& scratch, const Middle& middle,
                  FieldSums& sums, W* w) const;

    const Region* region_;
    const std::vector<double> coupling_; // β k of each axis
    const Checkerboard board_;
    const R other_;               // row of voxels outside the table; their w does not change
    RawVector<R> row_;            // row in the table, by place on the board
    RawVector<W> w_;              // probability, by place on the board; 1/2 outside the mask
    const std::vector<W> nobody_; // w of half a line outside the volume
};

// The smallest W and R that do.
std::unique_ptr<Engine> field_by_table(const Task& task, Tabulation tabulation, const Region* region);

} // namespace fastfuse
