// Engine of the Markov random field on vote patterns: see mean_field.hpp.
//
// The log-odds of a voxel are logit π'_t + S[row]. S is found once a row; only π'_t and w_t differ between
// the voxels of a row. The M-step takes sums of rows, W[row] = Σ_t w_t. Mixed rows, see board_rows.hpp, have
// an S for each of their terms: their voxels are gathered, and swept term by term.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engines/disputed.hpp"
#include "engines/field/board.hpp"
#include "engines/field/board_rows.hpp"
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

// Voxels of mixed rows among those of one run.
struct MixedVoxels {
    void clear() { voxel.clear(), logit.clear(); }
    std::vector<std::size_t> voxel;
    std::vector<double> logit; // l
};

// Terms of such voxels, which are swept as if they were voxels. Scratch of one thread.
struct MixedTerms {
    std::int64_t size = 0;
    std::array<double, sweep_voxels> weight{};
    std::array<std::size_t, sweep_voxels> row{}, voxel{}; // the row that it adds to; a number in the run
    std::array<double, sweep_voxels> w{};                 // w of each voxel of the run
    SweepScratch scratch;
};

// W: of w, float or double as the consensus is. R: of a row's number.
template <class W, class R> class FieldByTable : public TableEngine {
  public:
    // `region`: its agreed voxels keep their value; may be null.
    FieldByTable(const Task& task, Tabulation tabulation, BoardRows rows, const Region* region);

    Census survey() override;
    Sums expectation(const Performance& performance) override;
    Written write(const Performance& performance) override;
    const Tabulation* tabulation() const override { // whose rows tell nothing of a map
        return task_.votes.prior ? nullptr : TableEngine::tabulation();
    }

  private:
    // What one sweep works with, and one job's scratch.
    struct Sweep {
        double logit_prior;
        std::vector<double> log_odds; // S of each plain row; 0 of the mixed ones, and outside
    };
    struct Scratch {
        SweepScratch sweep;
        MixedVoxels mixed;
        MixedTerms terms;
    };

    void start();
    double place_block(std::int64_t block, const std::vector<double>& mean, std::int32_t* rows);
    bool is_mixed(R row) const { return row >= plain_ && row != other_; }
    std::int64_t jobs() const;
    Sums sums_of(const Performance& performance, const FieldSums& by_row) const;
    FieldSums sweep(int colour, const Sweep& sweep);
    // Two sums a row, of every other voxel: an addition need not wait for the one before.
    void sweep_line(std::int64_t line, int colour, const Sweep& sweep, Scratch& scratch, FieldSums& sums);
    void set_mixed_aside(const R* row, std::int64_t some, Scratch& scratch) const;
    void take_mixed(const R* row, const Sweep& sweep, Scratch& scratch, FieldSums& sums, W* w) const;
    void take_terms(MixedTerms& terms, FieldSums& sums) const;
    void take_rows(const R* row, std::int64_t some, const SweepScratch& scratch, FieldSums& sums, W* w) const;
    void take_row(R row, std::int64_t some, const SweepScratch& scratch, const Middle& middle,
                  FieldSums& sums, W* w) const;

    const Region* region_;
    const BoardRows board_rows_;
    const bool by_pattern_; // the M-step takes mixed rows by their terms
    Board<W> board_;
    const R plain_, other_; // rows from plain_ on are mixed; other_: of voxels outside, whose w stays
    RawVector<R> row_;      // row, by place on the board
    bool swept_ = false;
    double prior_sum_ = 0; // Σ π of a prior map
};

// With the smallest W and R that do. Null where soft-STAPLE's rows have too many terms.
std::unique_ptr<Engine> field_by_table(const Task& task, Tabulation tabulation, const Region* region);

} // namespace fastfuse
