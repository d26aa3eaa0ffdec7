#include "em/acceleration/coordinates.hpp"

#include <algorithm>
#include <cstddef>

#include "posterior/product.hpp"

namespace fastfuse {

std::vector<Coordinate> coordinates_of(const Performance& theta, bool with_prior) {
    std::vector<Coordinate> all;
    for (std::size_t i = 0; i < theta.sensitivity.size(); ++i) {
        all.push_back({theta.sensitivity[i], theta.false_negative_rate[i]});
        all.push_back({theta.specificity[i], theta.false_positive_rate[i]});
    }
    if (with_prior) all.push_back({theta.prior, 1 - theta.prior});
    return all;
}

Performance with_coordinates(const Performance& theta, const std::vector<Coordinate>& to) {
    Performance moved = theta;
    for (std::size_t k = 0; k < to.size(); ++k) {
        const double sum = to[k].rate + to[k].complement;
        const double rate = std::clamp(to[k].rate / sum, epsilon, 1 - epsilon);
        const double complement = std::clamp(to[k].complement / sum, epsilon, 1 - epsilon);
        const std::size_t i = k / 2;
        if (i == theta.sensitivity.size()) {
            moved.prior = rate;
        } else if (k % 2 == 0) {
            moved.sensitivity[i] = rate;
            moved.false_negative_rate[i] = complement;
        } else {
            moved.specificity[i] = rate;
            moved.false_positive_rate[i] = complement;
        }
    }
    return moved;
}

} // namespace fastfuse
