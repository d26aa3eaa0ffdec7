// Levels of rows, given their votes.
//
//   n_b   voxels of row b      q_bi   vote      r_bg   p(level g | votes of row b)
#pragma once

#include <vector>

#include "border/curves.hpp"
#include "fastfuse/threads.hpp"
#include "votes/rows.hpp"

namespace fastfuse::border {

// Sums over rows.
struct Sums {
    explicit Sums(std::size_t raters = 0) : marks(raters), empty(raters) {}
    void add(const Sums& other);
    std::vector<Levels> marks; // y1 = Σ n r q of each rater
    std::vector<Levels> empty; // y0 = Σ n r (1 − q)
    Levels held{};             // N_g = Σ n r
    double log_likelihood = 0; // Σ n ln p(votes)
    double moved = 0;          // the largest move of a consensus
};

// Finds r of single rows.
class Responsibility {
  public:
    Responsibility(const std::vector<Curve>& curves, const Levels& weights);
    // Writes r of a row; returns ln p(votes).
    double of(const Batch& batch, std::int64_t row, Levels& r) const;
    // Writes ln r, but for a summand.
    void log_of(const Batch& batch, std::int64_t row, Levels& log_r) const;
    // Writes r of a row on which nobody marks.
    void of_no_mark(Levels& r) const;

  private:
    const std::vector<Curve>& curves_;
    Levels log_weights_;
};

double dot(const Levels& a, const Levels& b);

// The consensus of each row, by batches.
using Consensus = std::vector<std::vector<double>>;

// s(u − c) in the unit of the scale.
Levels consensus_at(double scale, double anchor);

// One E-step. `tau`: s(u − c). Puts the consensus of each row in the place of the one before.
Sums expectation(const Rows& rows, const Parameters& parameters, const Levels& tau, Consensus& consensus,
                 const Team& team);

} // namespace fastfuse::border
