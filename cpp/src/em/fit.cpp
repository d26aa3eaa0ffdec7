#include "em/fit.hpp"

#include <algorithm>
#include <cmath>

#include "em/masses.hpp"
#include "engines/summary.hpp"
#include "votes/disputed.hpp"

namespace fastfuse {
namespace {

constexpr double typical_iterations = 10;        // of many raters, where the choice matters
constexpr std::int64_t most_tabulated = 1 << 17; // more patterns are voxels rather
constexpr double ns_of_mass = 1.5;               // of one term of a row, into the table and out of it
constexpr double ns_of_lane_mass = 0.075;        // of one of the 2^m patterns of a voxel in lanes
constexpr double ns_of_lane_moment = 0.02;       // the same for each rater's moment
constexpr double ns_of_step = 2;                 // of a rater in a row of the table, in one E-step

class TableReader : public BatchReader {
  public:
    explicit TableReader(const PatternRows& rows) : rows_(rows) {}
    Batch read(std::int64_t index) override { return rows_.batch(index); }

  private:
    const PatternRows& rows_;
};

} // namespace

std::unique_ptr<BatchReader> PatternRows::reader() const { return std::make_unique<TableReader>(*this); }

Batch PatternRows::batch(std::int64_t index) const {
    const std::int64_t first = index * batch_rows;
    Batch batch;
    batch.raters = raters_;
    batch.rows = std::min(batch_rows, size_ - first);
    batch.stride = size_;
    batch.vote = vote_ + first;
    batch.count = count_ + first;
    batch.may_miss = true;
    return batch;
}

Model model_of(const Options& options) {
    if (options.method == Method::soft_staple) return options.expectation;
    return options.log_linear ? Model::log_linear : Model::product;
}

bool pays_masses(const Options& options, int raters, double terms, double row_cost) {
    if (raters > most_mass_raters || options.expectation == Model::characteristic) return false;
    const double patterns = std::ldexp(1.0, raters);
    if (options.expectation == Model::enumerated) return patterns <= terms;
    const double moments = options.em.m_step == MStep::paper ? raters : 0;
    const double once = terms * (2 + moments) * ns_of_mass;
    return once + typical_iterations * patterns * raters * ns_of_step < typical_iterations * row_cost;
}

bool pays_lanes(const Options& options, const Votes& votes, double fractional) {
    if (options.expectation != Model::cheaper) return options.expectation == Model::enumerated;
    const bool splits = options.em.m_step == MStep::em;
    const double patterns = std::ldexp(1.0, votes.size());
    const double moments = splits ? 0 : ns_of_lane_moment * votes.size();
    const double steps = typical_iterations * votes.size() * ns_of_step / static_cast<double>(votes.voxels());
    const auto doubts = static_cast<int>(std::ceil(fractional));
    const double row = std::min(enumeration_cost(doubts), characteristic_cost(doubts, splits));
    return patterns * (ns_of_lane_mass + moments + steps) < typical_iterations * row;
}

Estimate fit(const Rows& rows, const Options& options, const Performance& start, const Team& team) {
    const Census census = take_census(rows, options.em.m_step == MStep::em, team);
    Performance performance = start;
    if (options.prior)
        performance.prior = *options.prior;
    else if (!options.em.estimate_prior)
        performance.prior =
            std::clamp(census.mean_vote.foreground / census.mean_vote.count, epsilon, 1 - epsilon);
    const bool missing = std::any_of(census.read.begin(), census.read.end(),
                                     [&](double read) { return read != census.mean_vote.count; });
    if (options.method == Method::soft_staple && !missing && census.most_fractional > 0 &&
        pays_masses(options, rows.raters(), census.terms, census.row_cost)) {
        const Masses masses(rows, options.em.m_step == MStep::paper, team);
        return em(
            [&](const Performance& theta) {
                return expectation(masses, Model::product, options.em.m_step, theta, team);
            },
            options.em, performance, std::nullopt);
    }
    const Model model =
        census.most_fractional > 0 ? model_of(options) : Model::product; // one on binary votes
    return em(
        [&](const Performance& theta) { return expectation(rows, model, options.em.m_step, theta, team); },
        options.em, performance, std::nullopt);
}

std::optional<Tabulated> tabulate(const Votes& votes, bool disputed_only, int threads,
                                  const ShouldStop& ask) {
    const Team team(threads, ask);
    Votes inside = votes;
    Region region;
    if (disputed_only) {
        region = find_disputed(votes, team);
        inside.mask = view_of(region.disputed, votes.shape);
    }
    std::vector<float> notes(static_cast<std::size_t>(votes.voxels()));
    const Output output{reinterpret_cast<std::byte*>(notes.data()), false};
    const auto patterns = Patterns::find(inside, output, most_tabulated, team);
    if (!patterns) return std::nullopt;
    Tabulated table;
    table.size = patterns->size();
    for (std::int64_t row = 0; row < table.size; ++row)
        table.count.push_back(patterns->count(row));
    for (int i = 0; i < votes.size(); ++i)
        for (std::int64_t b = 0; b < patterns->batches(); ++b) {
            const Batch batch = patterns->batch(b);
            table.vote.insert(table.vote.end(), batch.votes_of(i), batch.votes_of(i) + batch.rows);
        }
    table.pattern.resize(notes.size());
    patterns->rows_of_voxels(output, table.pattern.data(), team);
    return table;
}

} // namespace fastfuse
