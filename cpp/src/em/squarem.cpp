#include "em/squarem.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace fastfuse {
namespace {

// A rate and its complement, computed apart to keep the digits of both.
struct Rate {
    double rate, complement;
};

std::vector<Rate> rates_of(const Performance& theta, bool with_prior) {
    std::vector<Rate> rates;
    for (std::size_t i = 0; i < theta.sensitivity.size(); ++i) {
        rates.push_back({theta.sensitivity[i], theta.false_negative_rate[i]});
        rates.push_back({theta.specificity[i], theta.false_positive_rate[i]});
    }
    if (with_prior) rates.push_back({theta.prior, 1 - theta.prior});
    return rates;
}

// EM moves slowly near 0 and 1, so that a rate extrapolated to there would seem to have converged. The
// extrapolation leaves at least this fraction of the distance to 0 or 1.
constexpr double nearest = 0.125;

Rate within_reach(const Rate& beyond, const Rate& now) {
    if (beyond.rate < nearest * now.rate) return {nearest * now.rate, 1 - nearest * now.rate};
    if (beyond.complement < nearest * now.complement)
        return {1 - nearest * now.complement, nearest * now.complement};
    return beyond;
}

} // namespace

//   r = z₁ − z₀     v = (z₂ − z₁) − r     α = −‖r‖ / ‖v‖     z = z₀ − 2αr + α²v (z₂ if α = −1)
Performance extrapolate(const Performance& first, const Performance& second, const Performance& third,
                        bool with_prior) {
    const auto z0 = rates_of(first, with_prior), z1 = rates_of(second, with_prior),
               z2 = rates_of(third, with_prior);
    double r2 = 0, v2 = 0;
    for (std::size_t k = 0; k < z0.size(); ++k) {
        const double r = z1[k].rate - z0[k].rate, v = z2[k].rate - z1[k].rate - r;
        r2 += r * r;
        v2 += v * v;
    }
    const double alpha = v2 > 0 ? std::min(-1.0, -std::sqrt(r2 / v2)) : -1.0;
    const auto line = [alpha](double a, double b, double c) {
        return a - 2 * alpha * (b - a) + alpha * alpha * (c - 2 * b + a);
    };
    Performance beyond = third;
    for (std::size_t k = 0; k < z0.size(); ++k) {
        const Rate to = within_reach({line(z0[k].rate, z1[k].rate, z2[k].rate),
                                      line(z0[k].complement, z1[k].complement, z2[k].complement)},
                                     z2[k]);
        // α² magnifies rounding errors, and rate + complement > 1 would raise the likelihood: divide by the
        // sum.
        const double sum = to.rate + to.complement;
        const double rate = std::clamp(to.rate / sum, epsilon, 1 - epsilon);
        const double complement = std::clamp(to.complement / sum, epsilon, 1 - epsilon);
        const std::size_t i = k / 2;
        if (i == third.sensitivity.size()) {
            beyond.prior = rate;
        } else if (k % 2 == 0) {
            beyond.sensitivity[i] = rate;
            beyond.false_negative_rate[i] = complement;
        } else {
            beyond.specificity[i] = rate;
            beyond.false_positive_rate[i] = complement;
        }
    }
    return beyond;
}

} // namespace fastfuse
