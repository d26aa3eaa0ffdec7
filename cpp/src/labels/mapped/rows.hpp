// E-step of label maps with a map of priors, and sums of the M-step.
//
//   θ_i[a, b]   rate          π(a)   prior of a voxel          w(a) ∝ π(a) Π_i θ_i[a, b_i]
//
// The product is one for all voxels of a row of the table; only π differs. So EM keeps π of the labels that
// may be true, row after row, where there are at least two: elsewhere w is 1, and Σ log π is enough.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/soft_labels.hpp"
#include "fastfuse/threads.hpp"
#include "labels/factors.hpp"
#include "labels/matrices.hpp"
#include "labels/soft/step.hpp"
#include "support/raw_vector.hpp"

namespace fastfuse {

// Sets Π_i θ_i[a, b_i] of a row's n labels, scaled so that the largest is 1, and returns the logarithm of the
// factor that undoes it. All 0, and 0, where the rates call the votes impossible.
double row_likelihoods(const LabelTable& table, const Matrices& theta, std::int64_t row, const Code* code,
                       std::int64_t n, double* to);

class MappedRows {
  public:
    MappedRows(const SoftVotes& votes, Candidates candidates, const Team& team);

    SoftSums sums(const Matrices& theta, const Team& team);

  private:
    // Voxels of one row; few enough that rows of many voxels keep all threads busy.
    struct Piece {
        std::int64_t row, voxels;
        std::int64_t prior; // place of their first prior
        std::int64_t sum;   // place of their sums
    };
    struct Scratch {
        std::vector<double> likelihood, product;
    };

    void make_pieces();
    void gather(const SoftVotes& votes, Watch& watch);
    void expect(std::size_t piece, const Matrices& theta, Scratch& scratch);
    void count(SoftSums& sums, const Team& team) const;
    std::int64_t labels_of(std::int64_t row) const {
        return truths_.first[static_cast<std::size_t>(row + 1)] -
               truths_.first[static_cast<std::size_t>(row)];
    }

    const LabelTable& table_;
    RowTruths truths_;               // weights: c w, summed over the voxels of a row
    std::vector<Factors::Row> rows_; // on which somebody votes
    std::vector<Piece> pieces_;
    std::vector<double> log_prior_; // Σ log π of rows with one label; of others 0
    RawVector<double> priors_;
    std::vector<double> sums_, evidence_; // of pieces
};

} // namespace fastfuse
