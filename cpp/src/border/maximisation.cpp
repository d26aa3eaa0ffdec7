#include "border/maximisation.hpp"

#include <algorithm>
#include <cmath>

#include "posterior/normalise.hpp"

namespace fastfuse::border {
namespace {

constexpr double least_sharpness = 0.02;
constexpr double most_of_median = 2; // else a rater who is there twice becomes the axis
constexpr double sd_log_sharpness = 0.5, sd_offset = 3;
constexpr double pseudo_events = 2, pseudo_voxels = 100; // of false marks, and of what is lost

// ln (π + 1e-9), smoothed by (1 4 6 4 1) / 16, edges repeated; exponentiated, and scaled to sum to 1.
Levels smoothed(const Levels& held) {
    constexpr std::array<double, 5> weight{1 / 16.0, 4 / 16.0, 6 / 16.0, 4 / 16.0, 1 / 16.0};
    constexpr auto last = static_cast<std::ptrdiff_t>(border_levels) - 1;
    double voxels = 0;
    for (const double one : held)
        voxels += one;
    Levels log_share, result;
    for (std::size_t g = 0; g < border_levels; ++g)
        log_share[g] = std::log(held[g] / voxels + 1e-9);
    for (std::ptrdiff_t g = 0; g <= last; ++g) {
        double sum = 0;
        for (std::ptrdiff_t k = -2; k <= 2; ++k)
            sum += weight[static_cast<std::size_t>(k + 2)] *
                   log_share[static_cast<std::size_t>(std::clamp(g + k, std::ptrdiff_t{0}, last))];
        result[static_cast<std::size_t>(g)] = sum;
    }
    normalise(result);
    return result;
}

// One Newton step in (ln κ, δ) on Σ c1 ln F + c0 ln (1 − F) − (ln κ)² / (2 · .5²) − δ² / (2 · 3²), with the
// expected Hessian.
void step(const Levels& c1, const Levels& c0, double& sharpness, double& offset) {
    double sum = 0, sum_x = 0, held = 0, held_x = 0, held_xx = 0;
    for (std::size_t g = 0; g < border_levels; ++g) {
        const double x = sharpness * (level(g) - offset);
        const double inside = logistic(x), outside = logistic(-x);
        const double error = c1[g] * outside - c0[g] * inside;
        const double information = (c1[g] + c0[g]) * inside * outside;
        sum += error;
        sum_x += error * x;
        held += information;
        held_x += information * x;
        held_xx += information * x * x;
    }
    constexpr double of_sharpness = 1 / (sd_log_sharpness * sd_log_sharpness);
    constexpr double of_offset = 1 / (sd_offset * sd_offset);
    const double slope_k = sum_x - std::log(sharpness) * of_sharpness;
    const double slope_d = -sharpness * sum - offset * of_offset;
    const double kk = held_xx + of_sharpness, kd = -sharpness * held_x;
    const double dd = sharpness * sharpness * held + of_offset;
    const double determinant = kk * dd - kd * kd; // > 0 with the priors' terms
    const double by_k = (slope_k * dd - slope_d * kd) / determinant;
    const double by_d = (slope_d * kk - slope_k * kd) / determinant;
    sharpness *= std::exp(std::clamp(by_k, -0.5, 0.5));
    offset += std::clamp(by_d, -1.0, 1.0);
}

void maximise_rater(const Sums& sums, double read, const Curve& curve, std::size_t i,
                    Parameters& parameters) {
    Levels c1 = sums.marks[i], c0 = sums.empty[i];
    if (!parameters.few) {
        const double span = 1 - parameters.lost[i] - parameters.false_marks[i];
        double falsely = 0, lost = 0;
        for (std::size_t g = 0; g < border_levels; ++g) {
            falsely += c1[g] * parameters.false_marks[i] / curve.mark[g];
            lost += c0[g] * parameters.lost[i] / curve.no_mark[g];
            c1[g] *= span * curve.inside[g] / curve.mark[g];
            c0[g] *= span * curve.outside[g] / curve.no_mark[g];
        }
        parameters.false_marks[i] = (falsely + pseudo_events) / (read + pseudo_voxels);
        parameters.lost[i] = (lost + pseudo_events) / (read + pseudo_voxels);
    }
    for (int k = 0; k < 2; ++k)
        step(c1, c0, parameters.sharpness[i], parameters.offset[i]);
    parameters.sharpness[i] = std::max(parameters.sharpness[i], least_sharpness);
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

} // namespace

void maximise(const Sums& sums, const std::vector<double>& read, Parameters& parameters) {
    const std::vector<Curve> curves = curves_of(parameters);
    parameters.weights = smoothed(sums.held);
    std::vector<double> known;
    for (std::size_t i = 0; i < read.size(); ++i) {
        if (!parameters.heard[i]) continue;
        maximise_rater(sums, read[i], curves[i], i, parameters);
        known.push_back(parameters.sharpness[i]);
    }
    const double most = most_of_median * median(known);
    for (std::size_t i = 0; i < read.size(); ++i)
        parameters.sharpness[i] = std::min(parameters.sharpness[i], most);
}

} // namespace fastfuse::border
