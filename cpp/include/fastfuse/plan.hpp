// How a fusion will go about it: plain data, from the votes' kind, the options and a look at some blocks.
#pragma once

#include "fastfuse/fusion.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

// How the posterior of a row comes about.
enum class Model {
    mean_vote,      // w = Σ_i q_i / m: no performance needed
    product,        // eqs. (2), (12), (13)
    log_linear,     // the same with the log-odds weighted by the vote
    enumerated,     // the expectation over the row's binary patterns, eq. (9), term by term
    characteristic, // the same by its characteristic function, wherever a vote is fractional
    cheaper,        // by whichever of the two costs less in this row
};

// What walks over the votes.
enum class EngineKind {
    table,          // distinct vote patterns
    voxels,         // voxels one by one
    lanes,          // voxels in vectors of floats or doubles
    field,          // voxels, each with a prior that its neighbours move
    field_by_table, // the same, log-odds by vote pattern
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
    EngineKind otherwise = EngineKind::voxels; // where the patterns are more than a table holds
    MassUse masses = MassUse::never;
    bool fine = false; // lanes of doubles: some vote, prior or the consensus is finer than float
};

// What some blocks of the volume tell.
struct Probe {
    bool repeats = true; // few patterns, many rows
    double rows = 0;     // runs of voxels with the same votes, in the blocks that were looked at whole
    double terms = 0;    // Σ 2^f over the rows, f the fractional votes of a row
};

// The votes, to be read as the options say.
Votes read_by(const Options& options, Votes votes);

// The defaults where the options leave no choice.
Probe probe(const Votes& votes, const Options& options);

// `wide`: the consensus is of doubles.
Plan plan_for(const Votes& votes, const Options& options, bool wide, const Probe& probe);

// For an estimate that is known.
Plan plan_to_apply(const Estimate& estimate, const Votes& votes, const Options& options, bool wide,
                   const Probe& probe);

} // namespace fastfuse
