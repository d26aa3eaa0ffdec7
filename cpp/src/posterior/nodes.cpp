#include <algorithm>
#include <cmath>

#include "posterior/characteristic.hpp"

namespace fastfuse {
namespace {

// Rounds a number of nodes up to whole blocks.
double rounded_up(double nodes) {
    constexpr auto block = static_cast<double>(Nodes::block);
    return std::ceil(nodes / block) * block;
}

} // namespace

NodeSet::NodeSet(double period, const std::vector<double>& gain) : step(2 * pi / period) {
    size = static_cast<std::size_t>(rounded_up(last_node / step));
    weight.resize(size);
    log_weight.resize(size);
    turn.resize(2 * gain.size() * size);
    for (std::size_t k = 0; k < size; ++k) {
        const double omega = (static_cast<double>(k) + 0.5) * step;
        weight[k] = step / std::sinh(pi * omega);
        log_weight[k] = weight[k] / omega;
        for (std::size_t i = 0; i < gain.size(); ++i) {
            turn[2 * i * size + k] = std::cos(omega * gain[i]);
            turn[(2 * i + 1) * size + k] = std::sin(omega * gain[i]);
        }
    }
}

Nodes::Nodes(const Performance& performance) {
    double largest = 0;
    for (std::size_t i = 0; i < performance.sensitivity.size(); ++i) {
        const double yes = std::log(performance.sensitivity[i] / performance.false_positive_rate[i]);
        no.push_back(std::log(performance.false_negative_rate[i] / performance.specificity[i]));
        gain.push_back(yes - no.back());
        decay.push_back(std::exp(-std::abs(gain.back())));
        log_false_positive.push_back(std::log(performance.false_positive_rate[i]));
        log_true_negative.push_back(std::log(performance.specificity[i]));
        largest += std::max(std::abs(yes), std::abs(no.back()));
    }
    constexpr double any_prior = 800; // more than |logit| of the smallest double
    slots_ = std::vector<Slot>(set_within(largest + any_prior) + 1);
}

const NodeSet& Nodes::set(std::size_t number) const {
    Slot& slot = slots_[number];
    std::call_once(slot.once, [&] { slot.nodes = std::make_unique<NodeSet>(period_of(number), gain); });
    return *slot.nodes;
}

double Nodes::count_within(double largest) {
    return rounded_up(last_node * period_of(set_within(largest)) / (2 * pi));
}

} // namespace fastfuse
