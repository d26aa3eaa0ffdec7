// From votes to a consensus and every rater's performance: chooses the rows and the posterior for EM.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "em/em.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/patterns.hpp"

namespace fastfuse {

enum class Method { staple, soft_staple, simplified_soft_staple, majority_vote };

// What EM runs on. The answer is the same.
enum class Route {
    automatic,
    patterns, // the distinct vote patterns, where memory allows
    lanes,    // the voxels, in vectors of floats or doubles, where the method allows
    rows,     // the voxels one by one
};

struct Options {
    Method method = Method::soft_staple;
    EmOptions em;
    bool log_linear = false;            // simplified-soft-staple: the log-odds weighted by the vote
    Model expectation = Model::cheaper; // soft-staple: this, or enumerated, or characteristic
    std::optional<double> prior; // in (0, 1); without it, and without a map in the votes, the mean vote
    std::optional<double> init;  // every sensitivity and specificity at the start; without it, the mean vote
    bool disputed_only = false; // voxels on which all agree take that value, and nothing else is learnt there
    std::vector<double> coupling; // of neighbours along each axis, β k; empty without a random field
    bool inform = false;          // also find the observed information
    int threads = 0;              // 0: as many as the process may use
    Route route = Route::automatic;
};

struct Result {
    std::vector<double> sensitivity, specificity; // NaN where nothing determines them
    double prior = 0;                             // a map's mean
    std::vector<double> log_likelihood;           // after each M-step
    int iterations = 0;                           // M-steps done
    bool converged = false;
    double voxels = 0;                      // inside the mask, and read by somebody
    double disputed = 0;                    // voxels where not all votes are 0, nor all 1
    std::vector<double> volume;             // each rater's sum of votes
    std::vector<double> read;               // voxels that each rater votes on
    std::vector<double> marked_by, seen_by; // Σ w q_i, and Σ w over the voxels that rater i votes on
    double lowest = 1, highest = 0;         // probability inside the mask
    std::vector<double> information;        // see information.hpp; empty where it is not defined
    std::vector<double> variability;        // the same; empty where all votes are binary
};

// Writes the consensus of every voxel; 0 outside the mask. Throws BadInput, Interrupted.
Result fuse(const Votes& votes, const Options& options, const Output& consensus, const ShouldStop& ask);

} // namespace fastfuse
