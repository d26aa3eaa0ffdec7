// Makes results of what an engine leaves; checks what a table is asked for.
#pragma once

#include "em/census.hpp"
#include "engine.hpp"
#include "engines/disputed.hpp"
#include "fastfuse/fusion.hpp"

namespace fastfuse {

// Throws std::invalid_argument for options that a table cannot serve.
void check_table(const VoteTable& table, const Options& options);

// What is known before EM. The prior is a map's mean, a given number, or the mean vote.
Result describe(const Census& census, const Options& options, bool has_map);

// All raters agree everywhere: the consensus is their vote, and sensitivity or specificity is undefined.
bool is_certain(const Census& census);
Estimate certain(const Census& census, const Options& options);

// The performances of a majority vote.
Estimate of_majority(const Census& census, const Options& options);

// Whether EM found the estimate; else the consensus is the mean vote.
bool is_of_em(const Estimate& estimate);

// Where EM starts.
Performance start_of(const Result& described, const Options& options, int raters, bool has_map);

// Adds to a result.
void report(const Estimate& estimate, bool has_map, Result& result);
void report(const Written& written, Result& result);
void report(Observed observed, Result& result);

// Keeps what intervals by a bootstrap need. To be called before the consensus is written.
void keep_table(const Engine& engine, const Task& task, const Region* region, Result& result);

// The result where no voxel is disputed. Throws BadInput where no voxel is inside the mask.
Result nothing_to_fuse(const Task& task, const Region* region);

// Gives voxels on which all agree their common vote, and counts them as read.
void add_agreed(const Region& region, const Output& consensus, const Team& team, Result& result);

} // namespace fastfuse
