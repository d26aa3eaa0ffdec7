// soft-STAPLE in one pass: the masses of the 2^m binary patterns, on which STAPLE then runs.
//
// L_soft = Σ_B N(B) log p(B; θ): the soft votes enter only through the masses.
//
//   q_t(B)   weight of binary pattern B in the soft votes of voxel t, Π_i q_it(b_i)
//   N(B)     mass of B in the volume, Σ_t q_t(B)                eq. (8)
//   M_i(B)   its moment, Σ_t q_it q_t(B)
//   w_t      Σ_B q_t(B) p(1|B)                                  eq. (9)
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/threads.hpp"
#include "posterior/product.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

constexpr int most_mass_raters = 20; // a table of 2^20 masses, and 2^20 moments for each rater

// The 2^m binary patterns as rows, each with its mass.
class Masses : public Rows {
  public:
    // One pass over the rows. Moments are gathered where the M-step needs them.
    Masses(const Rows& rows, bool with_moments, const Team& team);

    // Masses gathered elsewhere: N(B), then M_i(B) at (i + 1) * 2^m + B where there are moments.
    Masses(int raters, std::vector<double> table);

    int raters() const override { return raters_; }
    std::int64_t batches() const override;
    std::unique_ptr<BatchReader> reader() const override;

    bool with_moments() const { return with_moments_; }

    // Replaces the masses and moments by p(1|B).
    void become_posterior(const Performance& performance, Watch& watch);
    const std::vector<double>& posterior() const { return table_; } // after become_posterior

  private:
    friend class Mixer;
    std::size_t patterns() const { return std::size_t{1} << raters_; }

    int raters_;
    bool with_moments_;
    std::vector<double> table_; // N(B), where bit i of B is b_i; then M_i(B) at (i + 1) * 2^m + B
};

// Finds w_t of each row of a batch from p(1|B). Scratch of one thread.
class Mixer {
  public:
    explicit Mixer(const Masses& masses) : masses_(masses) {}
    static int most(int raters); // greatest number of mixers at once that fits the memory of the masses
    void mix(const Batch& batch, Posterior& posterior, const Worker& worker); // eq. (9)

  private:
    std::size_t reach(const Batch& batch, std::int64_t row);

    const Masses& masses_;
    std::vector<std::uint32_t> pattern_; // binary patterns with a positive weight in the row
    std::vector<double> value_;          // p(1|B) of each
};

} // namespace fastfuse
