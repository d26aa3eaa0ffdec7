// Engine of the Markov random field on vote patterns: see mean_field.hpp.
//
// The log-odds of a voxel are logit π'_t + S[row]. S is found once a row; only π'_t and w_t differ between
// the voxels of a row. The M-step takes sums of rows, W[row] = Σ_t w_t.
#pragma once

#include <cstdint>
#include <vector>

#include "engines/checkerboard.hpp"
#include "engines/rows.hpp"
#include "engines/sweep.hpp"
#include "votes/disputed.hpp"

namespace fastfuse {

class FieldByTable : public TableEngine {
  public:
    // `region`: its agreed voxels keep their value; may be null.
    FieldByTable(const Task& task, Tabulation tabulation, const Region* region);

    Sums expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;

  private:
    // Σ w and Σ (1 − w) of each row, and the likelihood without Σ_i log a_i0.
    struct RowSums {
        explicit RowSums(std::size_t rows = 0) : w(rows), u(rows) {}
        void add(const RowSums& other);
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
        void add(std::int32_t row, double value) {
            w[static_cast<std::size_t>(row)] += value;
            u[static_cast<std::size_t>(row)] += 1 - value;
            range.include(value);
        }
        std::vector<double> w, u;
        Range range;
    };

    void start();
    std::int64_t jobs() const;
    RowSums sweep(int colour, double logit_prior, const std::vector<double>& log_odds);
    // Two sums a row, of every other voxel: an addition need not wait for the one before.
    void sweep_line(std::int64_t line, int colour, double logit_prior, const std::vector<double>& log_odds,
                    SweepScratch& scratch, RowSums& sums);
    void find_logits(std::int64_t line, int half, std::int64_t first, std::int64_t some, double logit_prior,
                     double* logit) const;
    void take_rows(const std::int32_t* row, std::int64_t some, const SweepScratch& scratch, RowSums& sums,
                   double* w) const;
    void take_row(std::int32_t row, std::int64_t some, const SweepScratch& scratch, RowSums& sums,
                  double* w) const;
    Sums sums_of(const RowSums& by_row, const Performance& performance) const;
    Written written_of(const RowAnswers& answers) const;

    const Region* region_;
    const std::vector<double> coupling_; // β k of each axis
    const Checkerboard board_;
    const std::int32_t other_;         // row of voxels outside the table; their w does not change
    std::vector<std::int32_t> row_;    // of each voxel, in the order of the board
    std::vector<double> w_;            // of each voxel, in the order of the board; 1/2 outside the mask
    const std::vector<double> nobody_; // w of half a line outside the volume
};

} // namespace fastfuse
