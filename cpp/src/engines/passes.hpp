// Interface of the passes over voxels whose vote patterns do not repeat, in lanes of floats or doubles.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "em/census.hpp"
#include "em/em.hpp"
#include "em/information.hpp"
#include "em/masses.hpp"
#include "engines/lanes/kernels.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/agreement.hpp"

namespace fastfuse {

// What a survey gathers in addition to the census.
enum class Gather {
    mean_vote,          // sums of an E-step whose w is the mean vote
    sample,             // these sums, and a sample of the voxels
    masses,             // N(B)
    masses_and_moments, // N(B), M_i(B)
};

class Passes {
  public:
    virtual ~Passes() = default;

    // Passes on this machine. The votes must outlive them; at most kernels::most_product_raters raters, and
    // no label to select. `fine`: in doubles; floats agree with them to 1e-6.
    static std::unique_ptr<Passes> of(const Votes& votes, bool fine, const Team& team);

    // The first pass, which checks all votes. Throws BadInput.
    virtual Census survey(Gather gather) = 0;
    // Whether soft-STAPLE can run on masses; if not, it runs in E-steps over the voxels.
    virtual bool gathers_masses() const { return true; }
    // The masses that the survey gathered.
    virtual Masses take_masses() = 0;
    // One E-step; nullopt if a product over the raters might underflow.
    virtual std::optional<Sums> expectation(kernels::Step step, const Performance& performance) = 0;
    // The same of the sample that the survey took; nullopt if it took none.
    virtual std::optional<Sums> sampled_expectation(kernels::Step /*step*/, const Performance& /*theta*/) {
        return std::nullopt;
    }
    // Information and variability of eq. (10)'s mixture; nullopt where they are not found here.
    virtual std::optional<Observed> observe(const Performance& /*theta*/, const Options& /*options*/) {
        return std::nullopt;
    }
    // V of soft-STAPLE on these masses; nullopt where it is not found here.
    virtual std::optional<std::vector<double>>
    variability(const Masses& /*masses*/, const Performance& /*theta*/, bool /*with_prior*/) {
        return std::nullopt;
    }
    // Writes w; nullopt if a product over the raters might underflow.
    virtual std::optional<Written> write(kernels::Step step, const Performance& performance,
                                         const Output& to) = 0;
    // Writes Σ_B q_t(B) p(1|B), from masses replaced by p(1|B). eq. (9)
    virtual Written mix(const Masses& posterior, const Performance& theta, const Output& to) = 0;
};

} // namespace fastfuse
