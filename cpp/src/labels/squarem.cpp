#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "labels/em.hpp"

namespace fastfuse {
namespace {

// EM moves slowly near 0, so that a rate extrapolated to there would seem to have converged. The jump leaves
// at least this fraction of it.
constexpr double nearest = 0.125;

// r = z₁ − z₀     v = (z₂ − z₁) − r     α = −‖r‖ / ‖v‖
struct Lengths {
    double r2 = 0, v2 = 0;
    void add(double z0, double z1, double z2) {
        const double r = z1 - z0, v = z2 - z1 - r;
        r2 += r * r;
        v2 += v * v;
    }
    double alpha() const { return v2 > 0 ? std::min(-1.0, -std::sqrt(r2 / v2)) : -1.0; }
};

// z = z₀ − 2αr + α²v
double on_line(double alpha, double z0, double z1, double z2) {
    const double z = z0 - 2 * alpha * (z1 - z0) + alpha * alpha * (z2 - 2 * z1 + z0);
    return std::max(z, nearest * z2);
}

} // namespace

LabelRates extrapolate(const LabelRates& first, const LabelRates& second, const LabelRates& third,
                       const std::vector<double>& mass, bool with_prior) {
    const std::size_t labels = mass.size();
    const auto &z0 = first.theta.entries(), &z1 = second.theta.entries(), &z2 = third.theta.entries();
    Lengths lengths;
    for (std::size_t k = 0; k < z0.size(); ++k)
        if (mass[k % labels] >= least_mass) lengths.add(z0[k], z1[k], z2[k]);
    for (std::size_t a = 0; a < labels && with_prior; ++a)
        lengths.add(first.prior[a], second.prior[a], third.prior[a]);
    const double alpha = lengths.alpha();
    LabelRates beyond = third;
    std::vector<double> sum(z0.size() / labels); // of each rater's row, at i * K + a
    std::vector<double>& z = beyond.theta.entries();
    const auto row_of = [labels](std::size_t k) { return k / (labels * labels) * labels + k % labels; };
    for (std::size_t k = 0; k < z.size(); ++k) {
        if (z2[k] > 0) z[k] = on_line(alpha, z0[k], z1[k], z2[k]);
        sum[row_of(k)] += z[k];
    }
    for (std::size_t k = 0; k < z.size(); ++k) // α² magnifies rounding errors
        if (sum[row_of(k)] > 0) z[k] /= sum[row_of(k)];
    if (!with_prior) return beyond;
    double whole = 0;
    for (std::size_t a = 0; a < labels; ++a) {
        if (third.prior[a] > 0)
            beyond.prior[a] = on_line(alpha, first.prior[a], second.prior[a], third.prior[a]);
        whole += beyond.prior[a];
    }
    for (double& prior : beyond.prior)
        prior /= whole;
    return beyond;
}

} // namespace fastfuse
