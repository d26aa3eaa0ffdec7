// soft-STAPLE in one pass: the masses of the 2^m binary patterns, on which STAPLE then runs.
//
// L_soft = Σ_B N(B) log p(B; θ): the soft votes enter only through the masses.
//
//   q_t(B)   weight of binary pattern B in the soft votes of voxel t, Π_i q_it(b_i)
//   N(B)     mass of B in the volume, Σ_t q_t(B)                eq. (8)
//   M_i(B)   its moment, Σ_t q_it q_t(B)
//   w_t      Σ_B q_t(B) p(1|B)                                  eq. (9)
//
// Voxels on which not all raters vote have masses of their own, by who votes: B is a pattern of these raters.
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/threads.hpp"
#include "posterior/product.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

constexpr int most_mass_raters = 20; // a table of 2^20 masses, and 2^20 moments for each rater

// The 2^m binary patterns as rows, each with its mass; then those with missing votes.
class Masses : public Rows {
  public:
    // One pass over the rows. Moments are gathered where the M-step needs them.
    Masses(const Rows& rows, bool with_moments, const Team& team);

    // Masses gathered elsewhere: N(B), then M_i(B) at (i + 1) * 2^m + B where there are moments.
    Masses(int raters, std::vector<double> table);

    // Adds the masses of voxels on which `raters` alone vote: a table like that above, over their patterns.
    void add_partial(const std::vector<std::size_t>& raters, const std::vector<double>& table);

    int raters() const override { return raters_; }
    std::int64_t batches() const override;
    std::unique_ptr<BatchReader> reader() const override;

    bool with_moments() const { return with_moments_; }

    // Replaces the masses and moments of votes of which none is missing by p(1|B).
    void become_posterior(const Performance& performance, Watch& watch);
    const std::vector<double>& posterior() const { return table_; } // after become_posterior
    std::int64_t rows() const;

  private:
    friend class Mixer;
    class Reader;
    std::size_t patterns() const { return std::size_t{1} << raters_; }
    std::int64_t whole_batches() const;

    // Rows with missing votes: vote and moment of rater i and row r at i * batch_rows + r.
    struct PartialBatch {
        std::int64_t rows = 0;
        std::vector<double> vote, mass, moment;
    };
    void add_partial_row(const std::vector<double>& vote, double mass, const std::vector<double>& moment);

    int raters_;
    bool with_moments_;
    std::vector<double> table_; // N(B), where bit i of B is b_i; then M_i(B) at (i + 1) * 2^m + B
    std::vector<PartialBatch> partial_;
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
