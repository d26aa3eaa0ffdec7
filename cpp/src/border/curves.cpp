#include "border/curves.hpp"

namespace fastfuse::border {

Parameters::Parameters(std::size_t raters, bool only_few)
    : few(only_few), offset(raters), sharpness(raters, 1), false_marks(raters, only_few ? 0 : 0.001),
      lost(raters, only_few ? 0 : 0.05), heard(raters, true) {
    weights.fill(1.0 / static_cast<double>(border_levels));
}

std::vector<Curve> curves_of(const Parameters& parameters) {
    std::vector<Curve> curves(parameters.raters());
    for (std::size_t i = 0; i < curves.size(); ++i) {
        Curve& curve = curves[i];
        curve.heard = parameters.heard[i];
        const double false_marks = parameters.false_marks[i], lost = parameters.lost[i];
        const double span = 1 - lost - false_marks;
        for (std::size_t g = 0; g < border_levels; ++g) {
            const double x = parameters.sharpness[i] * (level(g) - parameters.offset[i]);
            curve.inside[g] = logistic(x);
            curve.outside[g] = logistic(-x);
            curve.mark[g] = false_marks + span * curve.inside[g];
            curve.no_mark[g] = lost + span * curve.outside[g];
            // Of F itself a logarithm stays finite where F does not.
            curve.log_mark[g] = parameters.few ? log_logistic(x) : std::log(curve.mark[g]);
            curve.log_no_mark[g] = parameters.few ? log_logistic(-x) : std::log(curve.no_mark[g]);
        }
    }
    return curves;
}

} // namespace fastfuse::border
