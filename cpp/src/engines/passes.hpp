// Passes over voxels whose vote patterns do not repeat, in lanes of floats or doubles.
#pragma once

#include <memory>
#include <optional>

#include "em/census.hpp"
#include "em/em.hpp"
#include "em/masses.hpp"
#include "engines/lanes/kernels.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/agreement.hpp"

namespace fastfuse {

// What a survey gathers beside the census.
enum class Gather {
    mean_vote,         // sums of an E-step whose w is the mean vote
    masses,            // N(B)
    masses_and_moments // N(B), M_i(B)
};

class Passes {
  public:
    virtual ~Passes() = default;

    // Votes without a label to select, of at most kernels::most_product_raters raters. They must outlive it.
    // `fine`: in doubles; floats agree with them to 1e-6.
    static std::unique_ptr<Passes> of(const Votes& votes, bool fine, const Team& team);

    // The first pass, which checks all votes. Throws BadInput.
    virtual Census survey(Gather gather) = 0;
    // Whether soft-STAPLE runs on masses, or in E-steps over the voxels as the others do.
    virtual bool gathers_masses() const { return true; }
    // What a survey has gathered.
    virtual Masses take_masses() = 0;
    // One E-step; nothing if a product over the raters might vanish.
    virtual std::optional<Sums> expectation(kernels::Step step, const Performance& performance) = 0;
    // Writes w; nothing if a product over the raters might vanish.
    virtual std::optional<Written> write(kernels::Step step, const Performance& performance,
                                         const Output& to) = 0;
    // Writes Σ_B q_t(B) p(1|B), from masses that have become posterior. eq. (9)
    virtual Written mix(const Masses& posterior, const Output& to) = 0;
};

} // namespace fastfuse
