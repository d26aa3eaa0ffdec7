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
    : hit(static_cast<std::size_t>(raters)), miss(hit.size()), false_alarm(hit.size()),
      rejection(hit.size()) {}

void Sums::add(const Sums& other) {
    count += other.count;
    foreground += other.foreground;
    background += other.background;
    log_likelihood += other.log_likelihood;
    add_all(hit, other.hit);
    add_all(miss, other.miss);
    add_all(false_alarm, other.false_alarm);
    add_all(rejection, other.rejection);
}

} // namespace fastfuse
