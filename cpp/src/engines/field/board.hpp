// The voxels of a field on its checkerboard: w of each, and the log-odds that neighbours give it.
#pragma once

#include <cstdint>
#include <vector>

#include "engines/field/checkerboard.hpp"
#include "engines/field/sweep.hpp"
#include "fastfuse/fusion.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "support/raw_vector.hpp"

namespace fastfuse {

// β k of each axis; k = 1 between the closest neighbours.
std::vector<double> coupling_of(const Options& options);

// W: of w, float or double as the consensus is.
template <class W> class Board {
  public:
    Board(const Votes& votes, const Options& options);

    const Checkerboard& grid() const { return grid_; }
    // Before it has begun, the board takes no memory.
    bool has_begun() const { return !w_.empty(); }
    // Sets all w to 1/2, as they are outside the mask.
    void begin(bool with_map, const Team& team);
    // w of voxels that follow each other in a half of a line.
    W* w(std::int64_t place) { return w_.data() + place; }
    const W* w(std::int64_t place) const { return w_.data() + place; }
    // Sets a voxel's prior. Throws BadInput where it does not lie in (0, 1).
    void put_prior(std::int64_t place, double prior, std::int64_t voxel);

    // l of voxels first … first + some − 1 of a half of a line. Without a map, all have one prior.
    void find_logits(std::int64_t line, int half, std::int64_t first, std::int64_t some, double logit_prior,
                     double* logit) const;

  private:
    const std::vector<double> coupling_;
    const Checkerboard grid_;
    RawVector<W> w_;              // by place on the board
    RawVector<W> logit_map_;      // log-odds of the prior map, in the same order; empty without a map
    const std::vector<W> nobody_; // w of half a line outside the volume
};

extern template class Board<float>;
extern template class Board<double>;

} // namespace fastfuse
