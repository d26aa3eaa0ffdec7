#include "engines/lanes/lane_rates.hpp"

#include <algorithm>
#include <cmath>

namespace fastfuse {

// max(x, y) ≥ √(x y). Each of x, y and √(x y) is linear or concave in each vote, so that it is least at an
// end of the vote's range.
double least_evidence(const Performance& performance, double least_vote, double most_vote,
                      double least_prior) {
    double one = least_prior, zero = least_prior, both = least_prior * (1 - least_prior);
    for (std::size_t i = 0; i < performance.sensitivity.size(); ++i) {
        const auto of_one = [&](double q) {
            return q * performance.sensitivity[i] + (1 - q) * performance.false_negative_rate[i];
        };
        const auto of_zero = [&](double q) {
            return q * performance.false_positive_rate[i] + (1 - q) * performance.specificity[i];
        };
        const double low1 = of_one(least_vote), high1 = of_one(most_vote);
        const double low0 = of_zero(least_vote), high0 = of_zero(most_vote);
        one *= std::min(low1, high1);
        zero *= std::min(low0, high0);
        both *= std::min(low1 * low0, high1 * high0);
    }
    return std::max({one, zero, std::sqrt(both)});
}

} // namespace fastfuse
