// soft-STAPLE's exact expectation over the 2^m binary patterns.
//
// A soft pattern (q_1 … q_m) is a mixture of binary patterns B = (b_1 … b_m) with weights
// q(B) = Π_i q_i if b_i = 1, 1 − q_i if b_i = 0. Only fractional votes branch: f of them make 2^f terms.
//
//   N(B)     mass of B in the volume, Σ_t q_t(B)                eq. (8)
//   M_i(B)   its moment, Σ_t q_it q_t(B)
//   w_t      Σ_B q_t(B) p(1|B)                                  eq. (9)
#pragma once

#include <vector>

#include "fastfuse/em.hpp"

namespace fastfuse {

constexpr int most_fractional = 20; // votes of one voxel that may branch
constexpr int most_mass_raters = 20;

// w, 1 − w and Σ_B q(B) log p(B) of each row, by its own 2^f terms. With `sums`, also what the EM M-step
// needs, Σ c E[b_i p(1|B)] and its three companions, added to them.
void enumerated_posterior(const Batch& batch, const Performance& performance, Posterior& posterior,
                          Sums* sums, const Worker& worker);

int fractional_votes(const Batch& batch, std::int64_t row);

class Spread; // the binary patterns that a soft one reaches

// The 2^m binary patterns as rows, each with its mass.
class Masses : public Rows {
  public:
    // One pass over the rows. Moments are gathered where the M-step needs them.
    Masses(const Rows& rows, bool with_moments, const Team& team);

    int raters() const override { return raters_; }
    std::int64_t batches() const override;
    std::unique_ptr<BatchReader> reader() const override;

    // Forgets the masses and keeps p(1|B) in their place.
    void become_posterior(const Performance& performance);
    // w_t of each row of a batch, after become_posterior. eq. (9)
    void mix(const Batch& batch, Posterior& posterior) const;

  private:
    std::size_t patterns() const { return std::size_t{1} << raters_; }
    void add_row(const Batch& batch, std::int64_t row, const Spread& terms, double* table) const;

    int raters_;
    bool with_moments_;
    std::vector<double> table_; // N(B), where bit i of B is b_i; then M_i(B) at (i + 1) * 2^m + B
};

} // namespace fastfuse
