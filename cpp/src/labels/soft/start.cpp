#include "labels/soft/start.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "labels/maximisation.hpp"
#include "labels/soft/passes.hpp"

namespace fastfuse {

SoftSums soft_sums(const SoftVotes& votes, const SoftOptions& options, const Matrices& theta,
                   const std::vector<double>& prior, SoftTruth truth, SoftCounts counts, const Team& team) {
    return sum_over_rows<SoftSums>(votes, team, [&] {
        return [counts, step = SoftStep(options, theta, prior, truth)](const SoftRows& rows, SoftSums& part,
                                                                       const Worker& worker) mutable {
            step.find(rows, counts, &part, worker);
        };
    });
}

Matrices rates_of_untied(const SoftVotes& votes, const SoftOptions& options,
                         const std::vector<double>& shares, const Team& team) {
    Matrices rates(votes.size(), votes.labels);
    rates.entries() =
        soft_sums(votes, options, rates, shares, SoftTruth::untied, SoftCounts::paper, team).counts;
    share_by_vote(rates);
    return rates;
}

Matrices unknown_rows(const SoftVotes& votes, const SoftOptions& options, const std::vector<double>& shares,
                      const Team& team) {
    const std::vector<std::vector<Code>>& unknown = options.common.unknown;
    Matrices fixed;
    SoftOptions others = options;
    const Matrices none(votes.size(), votes.labels);
    for (std::size_t i = 0; i < unknown.size(); ++i) {
        if (unknown[i].empty()) continue;
        if (fixed.entries().empty()) fixed = Matrices(votes.size(), votes.labels, std::nan(""));
        others.common.weights.assign(static_cast<std::size_t>(votes.size()), 1);
        others.common.weights[i] = 0; // this rater has no say
        const SoftSums sums =
            soft_sums(votes, others, none, shares, SoftTruth::plurality, SoftCounts::paper, team);
        const auto rater = static_cast<int>(i);
        fix_unknown(unknown[i], sums.counts.data() + i * none.per_rater(), shares, fixed.of_rater(rater));
    }
    return fixed;
}

bool are_certain(const SoftVotes& votes) {
    return std::all_of(votes.raters.begin(), votes.raters.end(), [](const SoftRater& rater) {
        return !rater.kinds.empty() &&
               std::all_of(rater.kinds.begin(), rater.kinds.end(), [](double q) { return q == 0 || q == 1; });
    });
}

} // namespace fastfuse
