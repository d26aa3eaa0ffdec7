// Fusion of raters' votes into a consensus, with every rater's performance: options, results and the verbs.
//
//   tabulate   votes -> vote table          one read of the volume
//   estimate   vote table -> estimate       EM on rows, no voxels
//   apply      estimate, votes -> consensus one read, one write
//   fuse       the three in a row
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "fastfuse/border.hpp"
#include "fastfuse/mass_sums.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/vote_table.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

enum class Method { staple, soft_staple, simplified_soft_staple, majority, border_staple };

enum class MStep {
    paper, // the soft vote stands for the mark: eq. (5) as printed
    em,    // the true maximiser of the likelihood
};

// How soft-STAPLE's expectation over the 2^m binary patterns is found.
enum class Expectation { automatic, enumerate, characteristic };

// Of a soft vote in simplified-soft-STAPLE.
enum class Likelihood {
    mixture,    // eq. (10)
    log_linear, // log-odds weighted by the vote
};

enum class Prior {
    mean,     // the mean vote, fixed
    estimate, // starts as the mean vote, updated in every iteration
};

enum class Roi {
    all,
    disputed, // voxels on which the raters differ; elsewhere the consensus is their common vote
};

enum class Intervals { none, information, bootstrap, lesions };

enum class Acceleration {
    none,
    squarem,
    sample, // EM starts on a sample of the voxels, where their votes do not repeat
};

// What EM runs on.
enum class Route {
    automatic,
    patterns, // distinct vote patterns, where memory allows
    lanes,    // voxels in vectors of floats or doubles, where the method allows
    rows,     // voxels one by one
};

// p(rate) of a Beta distribution, ∝ rate^(a − 1) (1 − rate)^(b − 1); a = b = 1 is flat.
struct BetaPrior {
    double a = 1, b = 1;
};

// A rater's votes on voxels whose truth is known, which lie outside the mask.
struct KnownVotes {
    double true_positive = 0, false_negative = 0, true_negative = 0, false_positive = 0;
};

struct PerformancePrior {
    BetaPrior sensitivity, specificity; // all raters have these
    std::vector<KnownVotes> known;      // one per rater, or none

    BetaPrior of_sensitivity(std::size_t rater) const;
    BetaPrior of_specificity(std::size_t rater) const;
};

struct Options {
    Method method = Method::soft_staple;
    int classes = 2; // STAPLE's truth is background or foreground; with 3 classes, or border
    MStep m_step = MStep::paper;
    Expectation expectation = Expectation::automatic;
    Likelihood likelihood = Likelihood::mixture;
    std::variant<Prior, double> prior = Prior::mean; // or a number in (0, 1); a map comes with the votes
    std::optional<double> init; // sensitivity and specificity at the start; without it, from the mean vote
    Roi roi = Roi::all;
    Missing missing = Missing::error;
    double mrf = 0;                 // β, strength that couples neighbours; 0: none
    std::vector<double> spacing_mm; // voxel size along each axis, for mrf
    PerformancePrior performance_prior;
    Intervals intervals = Intervals::none;
    double tol = 1e-7;   // EM stops when no sensitivity or specificity moves by more
    int max_iter = 1000; // M-steps at most, at least 1
    Acceleration acceleration = Acceleration::none;
    std::optional<double> select_label; // a vote is 1 where the rater's value, rounded, is this label
    int threads = 0;                    // 0: as many as the process may use
    Route route = Route::automatic;

    bool estimates_prior() const {
        return std::holds_alternative<Prior>(prior) && std::get<Prior>(prior) == Prior::estimate;
    }
    std::optional<double> fixed_prior() const {
        if (const double* number = std::get_if<double>(&prior)) return *number;
        return std::nullopt;
    }
};

// θ of every rater. Both a probability and its complement are kept: 1 − θ of a θ near 1 has no digits left.
struct Performance {
    explicit Performance(int raters = 0, double theta = 0.5);
    std::vector<double> sensitivity, false_negative_rate; // θ_i1, 1 − θ_i1
    std::vector<double> specificity, false_positive_rate; // θ_i0, 1 − θ_i0
    double prior = 0.5;                                   // π, where the votes bring no map
};

constexpr std::size_t latent_classes = 3;

// Of three latent classes, from background to foreground.
struct Classes {
    std::vector<std::array<double, latent_classes>> marks,
        no_marks; // p(mark | class) of each rater, and 1 − it
    std::array<double, latent_classes> shares{};
};

// What EM found, and how: all that `apply` needs.
struct Estimate {
    Performance performance;
    std::vector<double> log_likelihood; // after each M-step or extrapolation that was kept
    int iterations = 0;                 // number of entries in `log_likelihood`
    bool converged = false;
    Method method = Method::soft_staple;
    MStep m_step = MStep::paper;
    Likelihood likelihood = Likelihood::mixture;
    Expectation expectation = Expectation::automatic;
    bool by_masses = false;         // soft-STAPLE ran on the masses of the 2^m binary patterns
    bool certain = false;           // all raters agree everywhere: the consensus is the mean vote
    std::optional<Border> border;   // only border-STAPLE fits one
    std::optional<Classes> classes; // only STAPLE with three classes fits them
};

// How many voxels inside the mask have a mean vote, a consensus, or both, of 0.5 or above.
struct HalfMarks {
    double of_mean = 0;
    double of_consensus = 0;
    double of_both = 0;
    void add(const HalfMarks& other) {
        of_mean += other.of_mean;
        of_consensus += other.of_consensus;
        of_both += other.of_both;
    }
};

struct Result {
    std::vector<double> sensitivity, specificity; // NaN where nothing determines them
    double prior = 0;                             // mean of a map
    std::vector<double> log_likelihood;           // after each M-step
    int iterations = 0;                           // M-steps done
    bool converged = false;
    double voxels = 0;                      // inside the mask, with a vote of somebody
    double disputed = 0;                    // voxels where not all votes are 0, nor all 1
    std::vector<double> volume;             // each rater's sum of votes
    std::vector<double> unmarked;           // Σ (1 − q_i) over the voxels that rater i votes on
    std::vector<double> read;               // voxels that each rater votes on
    std::vector<double> marked_by, seen_by; // Σ w q_i, and Σ w over the voxels that rater i votes on
    std::vector<double> neither;            // Σ (1 − w)(1 − q_i)
    double lowest = 1, highest = 0;         // probability inside the mask
    std::optional<HalfMarks> half_marks;    // where the engine counts them
    std::vector<double> information;        // see information.hpp; empty where it is not defined
    std::vector<double> variability;        // see information.hpp; empty where all votes are binary
    Estimate estimate;
    std::optional<VoteTable> table;    // for a bootstrap and the fit test; none where the votes do not repeat
    std::vector<std::int64_t> shape;   // volume shape, for `pattern` and `marked`
    std::vector<std::int32_t> pattern; // for intervals by lesions: each voxel's row; -1 outside the table
    std::vector<std::uint8_t> marked;  // for intervals by lesions: 1 where a vote is above 0.1
};

// Writes the consensus of every voxel; 0 outside the mask. Throws BadInput, Interrupted.
Result fuse(const Votes& votes, const Options& options, const Output& consensus, const ShouldStop& ask);

// Distinct vote patterns and their counts; nothing where there are more than memory allows. Throws BadInput,
// Interrupted.
std::optional<VoteTable> tabulate(const Votes& votes, const Options& options, const ShouldStop& ask);

// Masses of the binary patterns: of votes that do not repeat, or of a table. Nothing where there are more of
// them than memory is meant for. Throws BadInput, Interrupted.
std::optional<MassSums> tabulate_masses(const Votes& votes, const Options& options, const ShouldStop& ask);
std::optional<MassSums> masses_of(const VoteTable& table, int threads, const ShouldStop& ask);

// EM on a table. It begins at the rates of `warm`, if there is one: an earlier estimate of methods whose
// truth has two classes.
Result estimate(const VoteTable& table, const Options& options, const ShouldStop& ask,
                const Estimate* warm = nullptr);

// Writes the consensus that an estimate gives other votes. Throws BadInput, Interrupted.
Result apply(const Estimate& estimate, const Votes& votes, const Options& options, const Output& consensus,
             const ShouldStop& ask);

// EM on a table with other counts, from given rates: one replicate of a bootstrap, on one thread.
Estimate fit(const VoteTable& table, const std::vector<double>& counts, const Options& options,
             const Estimate& start, const ShouldStop& ask);

// Which numbers of marks count, and how far what is expected may be off.
struct MarkLimits {
    double times = 2; // the larger count of voxels may be so many times the smaller one
    // Counts below both of these are not looked at: a number of voxels, and a share of the voxels that
    // somebody marks.
    double least_voxels = 0, least_share = 0;
};

// Whether nothing is to be told of masks of which each rater has a vote everywhere, none as another one does,
// and of two classes with rates: false where something may be, or for any other table or model.
bool surely_fits(const VoteTable& table, const Estimate& estimate, const MarkLimits& limits);

} // namespace fastfuse
