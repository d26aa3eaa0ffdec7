// Markov random field over the truth, by mean field: neighbours tend to have the same truth.
//
// p(T) ∝ Π_t π_t^{T_t} (1 − π_t)^{1 − T_t} exp(β Σ_{s ~ t} k_st [T_s = T_t]): an Ising prior over face
// neighbours. Mean field gives every voxel a prior of its own, from the current w of its neighbours:
//
//   logit π'_t = logit π_t + β Σ_{s ~ t} k_st (2 w_s − 1)
//
// One E-step is one sweep: first the voxels whose coordinates have an even sum, then the other voxels, which
// use the new w of the first. Voxels of one colour are no neighbours, so that a sweep gives the same bits for
// every number of threads.
//
// Zhang, Modestino, Langan: Maximum-likelihood parameter estimation ... by mean field, IEEE TIP 3(4), 1994.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "em/em.hpp"
#include "engines/disputed.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/agreement.hpp"

namespace fastfuse {

class MeanField {
  public:
    // `coupling`: β k of each axis. `region`: its agreed voxels keep their value; may be null. All arguments
    // must outlive the field.
    MeanField(const Votes& votes, const std::vector<double>& coupling, const Region* region,
              const Team& team);

    // One sweep; returns its sums.
    Sums expectation(Model model, MStep m_step, const Performance& performance);
    Written write(const Output& to) const;

  private:
    enum class Part : std::uint8_t { outside, free, fixed };

    void start(const Region* region);
    void update_prior(std::size_t colour, double logit_prior);
    double pull(std::int64_t voxel, const std::vector<std::int64_t>& at) const;
    template <class Visit> void each_voxel(const Visit& visit) const;

    const Votes& votes_;
    const std::vector<double>& coupling_;
    const Team& team_;
    std::vector<std::int64_t> step_; // voxels between neighbours, along each axis
    std::vector<double> w_;
    std::vector<Part> part_;
    std::vector<double> logit_map_; // of a prior map
    std::vector<double> prior_;     // π'
    std::array<std::vector<std::uint8_t>, 2> colour_;
    std::array<Votes, 2> votes_of_colour_;
};

} // namespace fastfuse
