// Interface of the engines: each reads the votes in its own way and gives the sums of an E-step.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "em/census.hpp"
#include "em/information.hpp"
#include "fastfuse/fusion.hpp"
#include "fastfuse/plan.hpp"
#include "fastfuse/threads.hpp"
#include "votes/agreement.hpp"
#include "votes/tabulation.hpp"

namespace fastfuse {

class Engine {
  public:
    virtual ~Engine() = default;
    // Reads, checks and counts every vote. Called first. Throws BadInput.
    virtual Census survey() = 0;
    // One E-step: its sums.
    virtual Sums expectation(const Performance& performance) = 0;
    // The same of a sample of the voxels, where the engine took one.
    virtual std::optional<Sums> sampled_expectation(const Performance& /*performance*/) {
        return std::nullopt;
    }
    // Writes the consensus of every voxel.
    virtual Written write(const Performance& performance) = 0;
    virtual Written write_mean_vote() = 0;

    // Information and variability at the estimate; empty where undefined or too costly.
    virtual Observed observe(const Performance& /*performance*/) { return {}; }
    // Whether soft-STAPLE runs on the masses of the 2^m binary patterns.
    virtual bool by_masses() const { return false; }
    // Whether E-steps take so little time that EM may run twice.
    virtual bool is_quick() const { return false; }
    // Null where there is no table.
    virtual const Tabulation* tabulation() const { return nullptr; }
};

// What an engine works on. All of it must outlive the engine.
struct Task {
    const Votes& votes;
    const Options& options;
    const Plan& plan;
    const Output& consensus;
    const Team& team;
};

} // namespace fastfuse
