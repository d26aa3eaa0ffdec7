// The first pass over votes in tiles: checks them, and gathers what EM starts from.
#pragma once

#include <utility>
#include <vector>

#include "em/census.hpp"
#include "em/masses.hpp"
#include "engines/lanes/kernels.hpp"
#include "engines/lanes/sample/voxel_sample.hpp"
#include "engines/lanes/tile_walk.hpp"
#include "votes/agreement.hpp"

namespace fastfuse {

struct Findings {
    explicit Findings(int raters = 0) : census(raters), spread(static_cast<std::size_t>(raters)) {}
    void add(const Findings& other);

    Census census;
    std::vector<double> spread; // Σ q_i (1 − q_i)
    double inside = 0;          // number of voxels that count
    double empty = 0;           // number of voxels that count, in empty tiles
    Range range;                // of the votes in tiles that are not empty
    double least_prior = 0.5;   // least of a prior map's values and their complements
};

// Adds each sum `times` as often.
void add(const kernels::ProductSums& from, Sums& to, double times = 1);

// Adds what the first look at some voxels finds, but their number. Returns whether all votes and priors can
// be used.
template <class T>
bool inspect(Check check, const kernels::Columns<T>& columns, std::int64_t voxels, Findings& findings);

// With the sums of an E-step whose w is the mean vote, without the empty tiles. Throws BadInput.
template <class T> Findings survey_votes(TileWalk<T>& walk);

// The same, with a sample of the voxels of about this share.
template <class T> std::pair<Findings, VoxelSample<T>> survey_and_sample(TileWalk<T>& walk, double share);

// With the masses of the 2^m binary patterns. Throws BadInput.
template <class T> std::pair<Findings, Masses> survey_masses(TileWalk<T>& walk, bool with_moments);

// The sums of an E-step whose w is the mean vote.
Sums mean_vote_of(const Masses& masses, const std::vector<double>& spread, const Team& team);

} // namespace fastfuse
