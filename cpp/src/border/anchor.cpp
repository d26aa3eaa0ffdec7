#include "border/anchor.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "border/expectation.hpp"

namespace fastfuse::border {
namespace {

constexpr double most_weight = 1.5; // of a rater in the anchor
constexpr double far_off = 4;       // from the median
constexpr double rounding = 1e-9;   // of a sum of weights, which may put it below the half that it is

// The offset up to which half of the weight lies.
double weighted_median(const std::vector<double>& offset, const std::vector<double>& weight,
                       std::vector<std::size_t> order) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return offset[a] < offset[b]; });
    double whole = 0, sum = 0;
    for (const std::size_t i : order)
        whole += weight[i];
    for (const std::size_t i : order)
        if ((sum += weight[i]) >= whole / 2 * (1 - rounding)) return offset[i];
    return offset[order.back()];
}

} // namespace

double anchor_of_votes(const Border& border) {
    std::vector<std::size_t> voters;
    for (std::size_t i = 0; i < border.heard.size(); ++i)
        if (border.heard[i]) voters.push_back(i);
    std::vector<double> weight;
    for (const double sharpness : border.sharpness)
        weight.push_back(std::min(sharpness, most_weight));
    const double median = weighted_median(border.offset, weight, voters);
    double sum = 0, whole = 0;
    for (const std::size_t i : voters) {
        if (std::abs(border.offset[i] - median) > far_off) continue;
        sum += weight[i] * border.offset[i];
        whole += weight[i];
    }
    return sum / whole;
}

Border scaled(const Parameters& parameters) {
    double squares = 0, sum = 0;
    for (std::size_t i = 0; i < parameters.raters(); ++i) {
        if (!parameters.heard[i]) continue;
        squares += parameters.sharpness[i] * parameters.sharpness[i];
        sum += parameters.sharpness[i];
    }
    Border border;
    border.scale = squares / sum;
    border.weights = parameters.weights;
    border.false_marks = parameters.false_marks;
    border.lost = parameters.lost;
    border.heard = parameters.heard;
    for (std::size_t i = 0; i < parameters.raters(); ++i) {
        border.offset.push_back(border.scale * parameters.offset[i]);
        border.sharpness.push_back(parameters.sharpness[i] / border.scale);
    }
    border.anchor = anchor_of_votes(border);
    for (std::size_t i = 0; i < parameters.raters(); ++i)
        if (!parameters.heard[i])
            border.offset[i] = border.sharpness[i] = border.false_marks[i] = border.lost[i] =
                std::numeric_limits<double>::quiet_NaN();
    return border;
}

Parameters unscaled(const Border& border) {
    Parameters parameters(border.offset.size(), true);
    parameters.weights = border.weights;
    parameters.heard = border.heard;
    for (std::size_t i = 0; i < border.offset.size(); ++i) {
        parameters.offset[i] = border.offset[i] / border.scale;
        parameters.sharpness[i] = border.sharpness[i] * border.scale;
        parameters.false_marks[i] = border.false_marks[i];
        parameters.lost[i] = border.lost[i];
        if (border.false_marks[i] > 0) parameters.few = false;
    }
    return parameters;
}

void HeightSums::add(const HeightSums& other) {
    for (std::size_t g = 0; g < border_levels; ++g) {
        height[g] += other.height[g];
        square[g] += other.square[g];
        voxels[g] += other.voxels[g];
    }
}

std::optional<double> half_maximum(double scale, const HeightSums& sums) {
    double before = -std::numeric_limits<double>::infinity();
    for (std::size_t g = 0; g < border_levels; ++g) {
        const double here = std::max(before, sums.height[g] / std::max(sums.voxels[g], tiny));
        if (here >= 0.5) {
            if (g == 0) return std::nullopt;
            return scale * (level(g - 1) + (level(g) - level(g - 1)) * (0.5 - before) / (here - before));
        }
        before = here;
    }
    return std::nullopt;
}

Rates rates_of(const Border& border) {
    const std::vector<Curve> curves = curves_of(unscaled(border));
    const Levels tau = consensus_at(border.scale, border.anchor);
    Levels inside, outside;
    double foreground = 0, background = 0;
    for (std::size_t g = 0; g < border_levels; ++g) {
        inside[g] = border.weights[g] * tau[g];
        outside[g] = border.weights[g] * logistic(border.anchor - border.scale * level(g));
        foreground += inside[g];
        background += outside[g];
    }
    Rates rates;
    rates.prior = foreground;
    for (const Curve& curve : curves) {
        rates.sensitivity.push_back(dot(inside, curve.mark) / foreground);
        rates.specificity.push_back(dot(outside, curve.no_mark) / background);
    }
    return rates;
}

} // namespace fastfuse::border
