// The plan of a fusion: plain data, from the votes, the options and a look at some blocks.
#pragma once

#include "fastfuse/fusion.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

// How the posterior of a row comes about.
enum class Model {
    mean_vote,      // w = Σ_i q_i / m: no performance needed
    product,        // eqs. (2), (12), (13)
    log_linear,     // log-odds weighted by the vote
    enumerated,     // the expectation over the row's binary patterns, eq. (9), term by term
    characteristic, // the expectation by its characteristic function, where a vote is fractional
    cheaper,        // enumerated or characteristic, whichever costs less in a row
};

// What walks over the votes.
enum class EngineKind {
    table,          // distinct vote patterns
    voxels,         // voxels one by one
    lanes,          // voxels in vectors of floats or doubles
    field,          // voxels, the prior of each moved by its neighbours
    field_by_table, // like field, with the log-odds of distinct vote patterns
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

// With what the estimate was found by: its rates mean nothing else.
Options options_to_apply(const Estimate& estimate, const Options& options, const Votes& votes);

// For an estimate that is known, with its own options.
Plan plan_to_apply(const Estimate& estimate, const Votes& votes, const Options& options, bool wide,
                   const Probe& probe);

} // namespace fastfuse
