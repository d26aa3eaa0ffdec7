#include "posterior/statistics.hpp"

#include <cstddef>

namespace fastfuse {
namespace {

void add_all(std::vector<double>& to, const std::vector<double>& from) {
    for (std::size_t i = 0; i < to.size(); ++i)
        to[i] += from[i];
}

} // namespace

Sums::Sums(int raters)
    : true_positive(static_cast<std::size_t>(raters)), false_negative(true_positive.size()),
      false_positive(true_positive.size()), true_negative(true_positive.size()) {}

void Sums::add(const Sums& other) {
    count += other.count;
    foreground += other.foreground;
    background += other.background;
    log_likelihood += other.log_likelihood;
    add_all(true_positive, other.true_positive);
    add_all(false_negative, other.false_negative);
    add_all(false_positive, other.false_positive);
    add_all(true_negative, other.true_negative);
}

} // namespace fastfuse
