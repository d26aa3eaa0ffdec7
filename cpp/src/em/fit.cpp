#include "em/fit.hpp"

#include <algorithm>
#include <cmath>

#include "em/em.hpp"
#include "em/masses.hpp"
#include "engines/summary.hpp"
#include "votes/disputed.hpp"

namespace fastfuse {
namespace {

constexpr double typical_iterations = 10;  // of many raters, where the choice matters
constexpr double ns_of_mass = 1.5;         // of one term of a row, into the table and out of it
constexpr double ns_of_lane_mass = 0.075;  // of one of the 2^m patterns of a voxel in lanes
constexpr double ns_of_lane_moment = 0.02; // the same for each rater's moment
constexpr double ns_of_step = 2;           // of a rater in a row of the table, in one E-step

} // namespace

Model model_of(const Options& options) {
    if (options.method != Method::soft_staple)
        return options.likelihood == Likelihood::log_linear ? Model::log_linear : Model::product;
    switch (options.expectation) {
    case Expectation::enumerate: return Model::enumerated;
    case Expectation::characteristic: return Model::characteristic;
    default: return Model::cheaper;
    }
}

bool pays_masses(const Options& options, int raters, double terms, double row_cost) {
    if (raters > most_mass_raters || options.expectation == Expectation::characteristic) return false;
    const double patterns = std::ldexp(1.0, raters);
    if (options.expectation == Expectation::enumerate) return patterns <= terms;
    const double moments = options.m_step == MStep::paper ? raters : 0;
    const double once = terms * (2 + moments) * ns_of_mass;
    return once + typical_iterations * patterns * raters * ns_of_step < typical_iterations * row_cost;
}

bool pays_lanes(const Options& options, const Votes& votes, double fractional) {
    if (options.expectation != Expectation::automatic) return options.expectation == Expectation::enumerate;
    const bool splits = options.m_step == MStep::em;
    const double patterns = std::ldexp(1.0, votes.size());
    const double moments = splits ? 0 : ns_of_lane_moment * votes.size();
    const double steps = typical_iterations * votes.size() * ns_of_step / static_cast<double>(votes.voxels());
    const auto doubts = static_cast<int>(std::ceil(fractional));
    const double row = std::min(enumeration_cost(doubts), characteristic_cost(doubts, splits));
    return patterns * (ns_of_lane_mass + moments + steps) < typical_iterations * row;
}

Estimate fit(const VoteTable& table, const std::vector<double>& counts, const Options& asked,
             const Performance& start, const ShouldStop& ask) {
    Options options = asked;
    options.acceleration = Acceleration::none;
    const Team team(1, ask);
    const TableRows rows(table, counts, {});
    const Census census = take_census(rows, options.m_step == MStep::em, team);
    Performance performance = start;
    if (const auto prior = options.fixed_prior())
        performance.prior = *prior;
    else if (!options.estimates_prior())
        performance.prior =
            std::clamp(census.mean_vote.foreground / census.mean_vote.count, epsilon, 1 - epsilon);
    const bool missing = std::any_of(census.read.begin(), census.read.end(),
                                     [&](double read) { return read != census.mean_vote.count; });
    if (options.method == Method::soft_staple && !missing && census.most_fractional > 0 &&
        pays_masses(options, rows.raters(), census.terms, census.row_cost)) {
        const Masses masses(rows, options.m_step == MStep::paper, team);
        return em(
            [&](const Performance& theta) {
                return expectation(masses, Model::product, options.m_step, theta, team);
            },
            options, performance, std::nullopt);
    }
    const Model model =
        census.most_fractional > 0 ? model_of(options) : Model::product; // one on binary votes
    return em([&](const Performance& theta) { return expectation(rows, model, options.m_step, theta, team); },
              options, performance, std::nullopt);
}

} // namespace fastfuse
