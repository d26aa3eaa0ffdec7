// Fusion of label maps: K labels in the place of two. STAPLE for several labels (Warfield, Zou, Wells, IEEE
// TMI 2004), whose model is that of Dawid, Skene, Applied Statistics 1979.
//
//   tabulate_labels   label maps -> table of tuples   one read of the volume
//   estimate_labels   table -> estimate               EM on rows, no voxels
//   write_…           table, estimate -> a volume     by look-up, one read of the index
//
// A label's code is its place among the labels, 0 … K − 1.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

using Code = std::uint16_t;
constexpr Code no_code = 0xffff; // stands for a missing vote

constexpr std::int64_t most_labels = 65535;

// Which row of the table each voxel has.
class LabelIndex;

// The distinct tuples of the raters' labels, each with its number of voxels. Rows are sorted by the codes;
// missing votes come after all labels.
struct LabelTable {
    std::vector<std::int64_t> labels; // in ascending order
    int raters = 0;
    std::vector<Code> codes;                 // codes[i * rows + r] is rater i's vote in row r
    std::vector<double> counts;              // voxels; 0 of the row in which every vote is missing
    std::shared_ptr<const LabelIndex> index; // null where there are no voxels to write

    std::int64_t size() const { return static_cast<std::int64_t>(counts.size()); }
    std::size_t kinds() const { return labels.size(); }
    const Code* codes_of(int rater) const { return codes.data() + rater * size(); }
};

enum class LabelStart {
    plurality, // w = 1/ties on the labels with most votes
    vote,      // w = share of the votes
    itk,       // θ = p(truth | vote) of the voxels where one label has most votes
};

// The labels that may be true at a voxel.
enum class Candidates {
    voted, // labels that some rater gives this voxel
    all,   // every label
};

enum class ConfusionModel {
    full,     // K × K numbers for each rater
    by_class, // K: θ[a, b ≠ a] = (1 − s_a) π(b) / (1 − π(a))
};

// α[a, b] = 1 + belief (diagonal [a = b] + (1 − diagonal) π(b)) of every row of a confusion matrix.
struct DirichletPrior {
    double belief = 0;   // in voxels
    double diagonal = 0; // share of it on the diagonal
};

struct LabelOptions {
    bool votes_alone = false;    // no EM: the consensus is the share of the votes
    std::vector<double> weights; // how much each rater's vote counts in that share; empty: equally
    LabelStart start = LabelStart::plurality;
    Candidates candidates = Candidates::voted;
    ConfusionModel confusion = ConfusionModel::full;
    bool estimates_prior = false;
    std::vector<double> prior; // p(truth); empty: each label's share of all votes
    std::optional<DirichletPrior> performance_prior;
    std::vector<std::vector<Code>> unknown; // labels that each rater does not know; may be empty
    // Votes on voxels whose truth is known, which are not in the table: of rater i for label b where a is
    // true, at (i * K + b) * K + a; may be empty. They add to the counts of every M-step.
    std::vector<double> known;
    double tol = 1e-7;
    int max_iter = 1000;
    Acceleration acceleration = Acceleration::none;
    int threads = 0;
};

// p(truth | votes) of each row, of the labels for which it may be positive; in ascending order of the codes.
struct RowTruths {
    std::vector<std::int64_t> first; // of each row, and the end of the last
    std::vector<Code> code;
    std::vector<double> weight;

    std::int64_t candidates(std::int64_t row) const {
        return first[static_cast<std::size_t>(row) + 1] - first[static_cast<std::size_t>(row)];
    }
};

struct LabelEstimate {
    std::vector<double> confusion; // θ_i[a, b] at (i * K + a) * K + b; NaN where nothing determines it
    std::vector<double> prior;
    std::vector<double> log_likelihood; // after each M-step or extrapolation that was kept
    std::vector<double>
        log_prior; // log p(θ) there, without its constant, plus Σ known[i, a, b] log θ_i[a, b]
    int iterations = 0;
    bool converged = false;
    double voxels = 0;
    std::vector<double> mass;   // Σ c w of each label
    std::vector<double> seen;   // Σ c w of each label over the voxels that rater i votes on, at i * K + a
    std::vector<double> agreed; // Σ c w(a) over the voxels that rater i gives label a, at i * K + a
    RowTruths truths;
};

// The labels that occur where they count, in ascending order. Throws BadInput, Interrupted, as all below.
std::vector<std::int64_t> find_labels(const Votes& votes, int threads, const ShouldStop& ask);

// `labels` in ascending order.
LabelTable tabulate_labels(const Votes& votes, const std::vector<std::int64_t>& labels, int threads,
                           const ShouldStop& ask);

// Sorts rows in any order and adds up the counts of equal ones.
LabelTable in_order(const LabelTable& rows);

// Voxels that rater i gives label b, at i * K + b.
std::vector<double> volume_of(const LabelTable& table);

LabelEstimate estimate_labels(const LabelTable& table, const LabelOptions& options, const ShouldStop& ask);

// The confusion of the same rows with other counts, as `estimate_labels` has it, from a start near
// `confusion`: for a bootstrap.
std::vector<double> fit_labels(const LabelTable& table, const std::vector<double>& counts,
                               const std::vector<double>& confusion, const LabelOptions& options,
                               const ShouldStop& ask);

// The consensus of a table's rows under rates that were estimated on another one, kept at least 1e-12.
// `confusion`: θ_i[a, b] at (i * K + a) * K + b. Of the answer, what concerns EM is empty.
LabelEstimate apply_labels(const LabelTable& table, const std::vector<double>& confusion,
                           const std::vector<double>& prior, Candidates candidates, int threads,
                           const ShouldStop& ask);

// A volume of integers to be written, of 1, 2, 4 or 8 bytes each.
struct LabelOutput {
    std::byte* data = nullptr;
    int bytes = 1;
};

// Whose labels are as probable as the most probable one, but for this, are tied.
constexpr double tied_within = 1e-9;

// Writes the label of each voxel that comes at this place from the most probable one; of tied ones the
// largest first. Where there is none, the most probable one. 0 outside the mask. `undecided`: written where
// the most probable ones are tied.
void write_label(const LabelTable& table, const RowTruths& truths, int rank,
                 std::optional<std::int64_t> undecided, const LabelOutput& to, int threads,
                 const ShouldStop& ask);

// Writes the probability of that label; 0 outside the mask.
void write_ranked(const LabelTable& table, const RowTruths& truths, int rank, const Output& to, int threads,
                  const ShouldStop& ask);

// Writes the probability that one of these labels is true.
void write_probability(const LabelTable& table, const RowTruths& truths, const std::vector<Code>& codes,
                       const Output& to, int threads, const ShouldStop& ask);

// Writes −Σ w log w, in nats.
void write_entropy(const LabelTable& table, const RowTruths& truths, const Output& to, int threads,
                   const ShouldStop& ask);

// Each voxel's row of the table; −1 outside the mask.
std::vector<std::int32_t> rows_of_voxels(const LabelTable& table);

// The index of voxels that have these rows, of so many.
std::shared_ptr<const LabelIndex> index_of_rows(const std::int32_t* rows, std::int64_t voxels,
                                                std::int64_t of);

} // namespace fastfuse
