#include <algorithm>

#include "em/census.hpp"
#include "em/costs.hpp"
#include "em/em.hpp"
#include "em/masses.hpp"

namespace fastfuse {
Estimate fit_rates(const VoteTable& table, const std::vector<double>& counts, const Options& asked,
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
        census.most_fractional > 0 ? model_of(options) : Model::product; // all models agree on binary votes
    return em([&](const Performance& theta) { return expectation(rows, model, options.m_step, theta, team); },
              options, performance, std::nullopt);
}

} // namespace fastfuse
