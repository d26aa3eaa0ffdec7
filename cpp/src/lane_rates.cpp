#include "lane_rates.hpp"

#include <algorithm>
#include <cmath>

namespace fastfuse {

// The larger is no less than √(x y), and each of these is least where all votes are 0 or 1.
double least_evidence(const Performance& performance, double least_prior) {
    double one = least_prior, zero = least_prior, both = least_prior * (1 - least_prior);
    for (std::size_t i = 0; i < performance.sensitivity.size(); ++i) {
        const double yes1 = performance.sensitivity[i], no1 = performance.miss_rate[i];
        const double yes0 = performance.false_alarm_rate[i], no0 = performance.specificity[i];
        one *= std::min(yes1, no1);
        zero *= std::min(yes0, no0);
        both *= std::min(yes1 * yes0, no1 * no0);
    }
    return std::max({one, zero, std::sqrt(both)});
}

} // namespace fastfuse
