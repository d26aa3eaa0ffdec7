// Fusion of soft votes of K labels: each rater gives q(b), a probability of each label b, that sums to 1.
// The soft STAPLE of Kats, Goldberger, Greenspan (MICCAI 2019) with K labels in the place of two.
//
//   survey_soft     votes -> volumes, dropped mass   one read; checks all votes
//   estimate_soft   votes -> estimate                EM, one read an iteration
//   write_soft_…    votes, estimate -> a volume      one read
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "fastfuse/labels.hpp"

namespace fastfuse {

// One rater's votes: K arrays, or a map of codes that stand for kinds of votes.
struct SoftRater {
    std::vector<View> classes; // an array of q(b) for each label b; empty if there is a map
    std::optional<View> map;   // holds a code at each voxel: 0, 1, …
    std::vector<double> kinds; // q(b) of each code, at code * K + b
};

struct SoftVotes {
    std::size_t labels = 0; // K
    std::vector<SoftRater> raters;
    Votes grid; // shape, mask, present, missing; no raters
    // p(truth) of each label and voxel, clamped and scaled to 1 where it is read; empty: the same everywhere.
    std::vector<View> prior;
    // Distinct tuples of the maps' codes, with which the votes are not read again. With a map of priors,
    // these are the tuples of label maps, each code a kind that is certain, and `grid` has a shape alone.
    std::optional<LabelTable> tuples;
    double truncation = 0; // q(b) up to this are dropped, except the largest; the rest is scaled to 1

    int size() const { return static_cast<int>(raters.size()); }
    bool are_mapped() const { return tuples && !prior.empty(); }
};

enum class SoftModel {
    mean,        // w = Σ v q / Σ v, v the raters' weights
    mixture,     // a_i(a) = Σ_b q_i(b) θ_i[a, b], simplified-soft-STAPLE
    log_linear,  // a_i(a) = Π_b θ_i[a, b]^q_i(b)
    enumeration, // w(a) = Σ_B q(B) p(a | B), soft-STAPLE
};

struct SoftOptions {
    LabelOptions common;
    SoftModel model = SoftModel::mixture;
    MStep m_step = MStep::paper;
};

// What a map of priors excludes, no vote brings back: it is kept that far from 0 and 1.
constexpr double least_prior = 1e-6;

struct SoftSurvey {
    std::vector<double> volume; // Σ q of each label, at i * K + b
    double voxels = 0;          // on which somebody votes
    double most_dropped = 0;    // by truncation, Σ_i at a voxel
    double mean_dropped = 0;
    std::vector<double> prior; // its mean there; empty without a map
    double clamped = 0;        // voxels whose prior was
};

struct SoftEstimate {
    LabelEstimate found;       // without truths
    std::vector<double> theta; // θ_i[a, b] at (i K + b) K + a, also where nothing determines it
};

// Throws BadInput, Interrupted, as all below.
SoftSurvey survey_soft(const SoftVotes& votes, int threads, const ShouldStop& ask);

// Terms q(B) that are above 0 under each truncation.
std::vector<double> count_terms(const SoftVotes& votes, const std::vector<double>& truncations, int threads,
                                const ShouldStop& ask);

SoftEstimate estimate_soft(const SoftVotes& votes, const SoftOptions& options, const ShouldStop& ask);

// As those of hard votes; `labels`: the K values.
void write_soft_label(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                      const std::vector<std::int64_t>& labels, int rank,
                      std::optional<std::int64_t> undecided, const LabelOutput& to, const ShouldStop& ask);
void write_soft_ranked(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                       int rank, const Output& to, const ShouldStop& ask);
void write_soft_probability(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                            const std::vector<Code>& codes, const Output& to, const ShouldStop& ask);
void write_soft_entropy(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                        const Output& to, const ShouldStop& ask);

} // namespace fastfuse
