#include "report.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "em/em.hpp"

namespace fastfuse {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t most_resampled = 1 << 17; // patterns; with more, the votes do not repeat
constexpr double marked_above = 0.1; // rings of soft masks are; what a network leaves everywhere is not

// Whether intervals need a table to draw from.
bool resamples(const Options& options) {
    return options.intervals == Intervals::bootstrap || options.intervals == Intervals::lesions;
}

bool nobody_marks(const Census& census) {
    return std::all_of(census.volume.begin(), census.volume.end(), [](double v) { return v == 0; });
}

// Where anybody marks; of a voxel outside the table, whether all do.
std::vector<std::uint8_t> marked_voxels(const VoteTable& table, const std::vector<std::int32_t>& pattern,
                                        const Region* region) {
    std::vector<std::uint8_t> of_row(static_cast<std::size_t>(table.size()));
    for (int i = 0; i < table.raters(); ++i)
        for (std::size_t row = 0; row < of_row.size(); ++row)
            of_row[row] |= table.votes_of(i)[row] > marked_above;
    std::vector<std::uint8_t> marked(pattern.size());
    for (std::size_t voxel = 0; voxel < marked.size(); ++voxel)
        if (pattern[voxel] >= 0)
            marked[voxel] = of_row[static_cast<std::size_t>(pattern[voxel])];
        else if (region)
            marked[voxel] = region->marked[voxel];
    return marked;
}

} // namespace

void check_table(const VoteTable& table, const Options& options) {
    if (options.mrf > 0) throw std::invalid_argument("mrf is set: a vote table knows no neighbours");
    const auto is_soft = [](double vote) { return is_fractional(vote); };
    if (options.method == Method::staple && std::any_of(table.votes().begin(), table.votes().end(), is_soft))
        throw std::invalid_argument("staple takes votes of 0 and 1, and the vote table holds others");
}

Result describe(const Census& census, const Options& options, bool has_map) {
    const Sums& sums = census.mean_vote;
    Result result;
    result.prior =
        has_map ? census.prior / sums.count : options.fixed_prior().value_or(sums.foreground / sums.count);
    result.voxels = sums.count;
    result.disputed = census.disputed;
    result.volume = census.volume;
    result.unmarked = census.unmarked;
    result.read = census.read;
    return result;
}

bool is_certain(const Census& census) { return nobody_marks(census) || census.mean_vote.background == 0; }

Estimate certain(const Census& census, const Options& options) {
    const bool marked = census.mean_vote.background == 0;
    const std::size_t raters = census.volume.size();
    Estimate estimate = begun(options);
    estimate.converged = true;
    estimate.performance = Performance(static_cast<int>(raters));
    estimate.performance.sensitivity.assign(raters, marked ? 1 : undefined);
    estimate.performance.specificity.assign(raters, marked ? undefined : 1);
    estimate.certain = true;
    return estimate;
}

Estimate of_majority(const Census& census, const Options& options) {
    Estimate estimate = begun(options);
    estimate.converged = true;
    const Sums& sums = census.mean_vote;
    estimate.performance = maximise(sums, Performance(static_cast<int>(census.volume.size())));
    for (std::size_t i = 0; i < census.volume.size(); ++i) { // 0 / 0
        if (sums.true_positive[i] + sums.false_negative[i] == 0)
            estimate.performance.sensitivity[i] = undefined;
        if (sums.true_negative[i] + sums.false_positive[i] == 0)
            estimate.performance.specificity[i] = undefined;
    }
    return estimate;
}

bool is_of_em(const Estimate& estimate) { return !estimate.certain && estimate.method != Method::majority; }

Performance start_of(const Result& described, const Options& options, int raters, bool has_map) {
    Performance start(raters, std::clamp(options.init.value_or(0.5), epsilon, 1 - epsilon));
    start.prior = described.prior;
    if (!options.fixed_prior() && !has_map) // a mean vote may round to 0 or 1
        start.prior = std::clamp(start.prior, epsilon, 1 - epsilon);
    return start;
}

void report(const Estimate& estimate, bool has_map, Result& result) {
    result.sensitivity = estimate.performance.sensitivity;
    result.specificity = estimate.performance.specificity;
    if (is_of_em(estimate) && !has_map) result.prior = estimate.performance.prior;
    result.log_likelihood = estimate.log_likelihood;
    result.iterations = estimate.iterations;
    result.converged = estimate.converged;
    for (std::size_t i = 0; i < result.read.size(); ++i)
        if (result.read[i] == 0) result.sensitivity[i] = result.specificity[i] = undefined;
    result.estimate = estimate;
    result.estimate.performance.prior = result.prior;
}

void report(const Written& written, Result& result) {
    result.lowest = written.range.lowest;
    result.highest = written.range.highest;
    result.marked_by = written.marked_by;
    result.seen_by = written.seen_by;
    result.neither = written.neither;
    result.half_marks = written.half_marks;
}

void report(Observed observed, Result& result) {
    result.information = std::move(observed.information);
    result.variability = std::move(observed.variability);
}

void keep_table(const Engine& engine, const Task& task, const Region* region, Result& result) {
    if (!resamples(task.options)) { // for the fit test, where there is a table anyway
        const Tabulation* held = engine.tabulation();
        if (held && held->table.size() <= most_resampled) result.table = held->table;
        return;
    }
    // Where the engine has no table, the patterns may yet be few enough for one.
    const bool by_lesions = task.options.intervals == Intervals::lesions;
    const bool read_again = !engine.tabulation();
    std::vector<float> slots(by_lesions && read_again ? static_cast<std::size_t>(task.votes.voxels()) : 0);
    const Output notes{reinterpret_cast<std::byte*>(slots.data()), false};
    std::optional<Tabulation> own;
    if (read_again) own = find_patterns(task.votes, by_lesions ? &notes : nullptr, most_resampled, task.team);
    const Tabulation* tabulation = own ? &*own : engine.tabulation();
    if (!tabulation || tabulation->table.size() > most_resampled) return;
    result.table = tabulation->table;
    if (!by_lesions || !tabulation->index) return;
    result.shape = task.votes.shape;
    result.pattern.resize(static_cast<std::size_t>(task.votes.voxels()));
    tabulation->index->rows_of_voxels(result.pattern.data(), task.team);
    result.marked = marked_voxels(tabulation->table, result.pattern, region);
}

Result nothing_to_fuse(const Task& task, const Region* region) {
    const bool all_agree = region && *std::max_element(region->read.begin(), region->read.end()) > 0;
    if (!all_agree) throw BadInput(BadInput::Kind::empty_mask);
    task.consensus.fill(0, task.votes.voxels(), 0);
    Result result;
    result.volume.assign(static_cast<std::size_t>(task.votes.size()), 0);
    result.sensitivity = result.specificity = std::vector<double>(result.volume.size(), undefined);
    result.read = result.marked_by = result.seen_by = result.volume;
    result.unmarked = result.neither = result.volume;
    result.prior = undefined;
    result.converged = true;
    if (resamples(task.options)) result.table = VoteTable(task.votes.size(), result.volume, {0});
    return result;
}

void add_agreed(const Region& region, const Output& consensus, const Team& team, Result& result) {
    const auto voxels = static_cast<std::int64_t>(region.marked.size());
    team.run((voxels + block_voxels - 1) / block_voxels, [&](std::int64_t job, const Worker&) {
        const std::int64_t first = job * block_voxels, end = std::min(first + block_voxels, voxels);
        if (all_zero(reinterpret_cast<const std::byte*>(region.marked.data() + first), end - first)) return;
        for (std::int64_t voxel = first; voxel < end; ++voxel)
            if (region.marked[static_cast<std::size_t>(voxel)]) consensus.put(voxel, 1);
    });
    result.half_marks.reset(); // of the region alone
    for (std::size_t i = 0; i < region.read.size(); ++i) {
        const double unmarked = region.read[i] - region.volume[i]; // whole numbers
        result.volume[i] += region.volume[i];
        result.unmarked[i] += unmarked;
        result.read[i] += region.read[i];
        result.marked_by[i] += region.volume[i]; // w = q = 1
        result.seen_by[i] += region.volume[i];
        result.neither[i] += unmarked; // w = q = 0
    }
}

} // namespace fastfuse
