#include "posterior/model.hpp"

namespace fastfuse {

Model model_of(const Options& options) {
    if (options.method == Method::majority) return Model::mean_vote;
    if (options.method != Method::soft_staple)
        return options.likelihood == Likelihood::log_linear ? Model::log_linear : Model::product;
    switch (options.expectation) {
    case Expectation::enumerate: return Model::enumerated;
    case Expectation::characteristic: return Model::characteristic;
    default: return Model::cheaper;
    }
}

} // namespace fastfuse
