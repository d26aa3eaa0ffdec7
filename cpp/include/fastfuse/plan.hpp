// The plan of a fusion: plain data, from the votes, the options and a look at some blocks.
#pragma once

#include "fastfuse/fusion.hpp"
#include "fastfuse/model.hpp"
#include "fastfuse/probe.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

// What walks over the votes.
enum class EngineKind {
    table,          // distinct vote patterns
    voxels,         // voxels one by one
    lanes,          // voxels in vectors of floats or doubles
    field,          // voxels, the prior of each moved by its neighbours
    field_by_table, // like field, with the log-odds of distinct vote patterns
    field_by_lanes, // like field, voxels in vectors
    map,            // the moments of a prior map: of distinct vote patterns, or of the binary ones
    device_table,   // distinct vote patterns of votes on a CUDA device
    device_lanes,   // voxels of votes on a CUDA device
};

// soft-STAPLE on the masses of the 2^m binary patterns.
enum class MassUse {
    never,
    when_cheaper,
    known, // p(1|B) is known: nothing to gather
};

struct Plan {
    Model model = Model::product;
    MStep m_step = MStep::paper;
    EngineKind engine = EngineKind::voxels;
    EngineKind otherwise = EngineKind::voxels; // where a table has no room for all patterns
    MassUse masses = MassUse::never;
    bool fine = false; // lanes of doubles: some vote, prior or the consensus is finer than float
};

// The votes, to be read as the options say.
Votes read_by(const Options& options, Votes votes);

// `wide`: the consensus is of doubles.
Plan plan_for(const Votes& votes, const Options& options, bool wide, const Probe& probe);

// The options that the estimate was found with: its rates are valid for these only.
Options options_to_apply(const Estimate& estimate, const Options& options, const Votes& votes);

// For an estimate that is known, with its own options.
Plan plan_to_apply(const Estimate& estimate, const Votes& votes, const Options& options, bool wide,
                   const Probe& probe);

} // namespace fastfuse
