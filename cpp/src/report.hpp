// What goes into a fusion is checked, and results are made of what an engine leaves.
#pragma once

#include "em/census.hpp"
#include "engine.hpp"
#include "fastfuse/fusion.hpp"
#include "votes/disputed.hpp"

namespace fastfuse {

// Throws std::invalid_argument for options that a table cannot serve.
void check_table(const VoteTable& table, const Options& options);

// What is known before any EM. The prior: of a map its mean, else as the options say.
Result describe(const Census& census, const Options& options, bool has_map);

// All raters agree everywhere: nothing but the mean vote, and one of the two performances has nothing to show
// itself on.
bool is_certain(const Census& census);
Estimate certain(const Census& census, const Options& options);

// The performances of a majority vote.
Estimate of_majority(const Census& census, const Options& options);

// Where EM starts.
Performance start_of(const Result& described, const Options& options, int raters, bool has_map);

// Adds an estimate to what is described.
void report(const Estimate& estimate, bool has_map, Result& result);
void report(const Written& written, Result& result);
void report(Observed observed, Result& result);

// Takes what intervals by a bootstrap need, before anything is written.
void keep_table(const Engine& engine, const Task& task, const Region* region, Result& result);

// No voxel is inside the mask, or all raters agree on all of them: nobody's performance can be told. Throws
// BadInput for an empty mask.
Result nothing_to_fuse(const Task& task, const Region* region);

// Voxels on which all agree take that value, and count as read.
void add_agreed(const Region& region, const Output& consensus, const Team& team, Result& result);

} // namespace fastfuse
