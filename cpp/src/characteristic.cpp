#include "fastfuse/characteristic.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "fastfuse/simd.hpp"

namespace fastfuse {
namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double least_period = negligible + 6;
constexpr double period_ratio = 1.25; // from one set of nodes to the next
constexpr double one_sided = 1;       // a range of S that ends so far from 0 is expanded
constexpr std::size_t lanes = 8;
constexpr std::size_t raters_between_looks = 8;

std::size_t slot_for(double largest) {
    const double ratio = (largest + negligible) / least_period;
    return ratio <= 1 ? 0 : static_cast<std::size_t>(std::ceil(std::log(ratio) / std::log(period_ratio)));
}

// To whole blocks.
double rounded_up(double nodes) {
    constexpr auto block = static_cast<double>(Nodes::block);
    return std::ceil(nodes / block) * block;
}

double period_of(std::size_t slot) {
    return least_period * std::pow(period_ratio, static_cast<double>(slot));
}

// e^{iω base} at n nodes from the one at `first` on, `step` apart.
FASTFUSE_CLONES void turn_by(double base, double first, double step, std::size_t n, double* real,
                             double* imaginary) {
    for (std::size_t k = 0; k < lanes; ++k) {
        const double angle = base * (first + static_cast<double>(k) * step);
        real[k] = std::cos(angle);
        imaginary[k] = std::sin(angle);
    }
    const double by = base * step * static_cast<double>(lanes);
    const double cosine = std::cos(by), sine = std::sin(by);
    for (std::size_t k = lanes; k < n; k += lanes)
        for (std::size_t l = k; l < k + lanes; ++l) {
            real[l] = real[l - lanes] * cosine - imaginary[l - lanes] * sine;
            imaginary[l] = real[l - lanes] * sine + imaginary[l - lanes] * cosine;
        }
}

// φ times (1 − q) + q e^{iω gain}.
FASTFUSE_CLONES void multiply(std::size_t n, double q, const double* cosine, const double* sine,
                              const double* from_real, const double* from_imaginary, double* real,
                              double* imaginary) {
    for (std::size_t k = 0; k < n; ++k) {
        const double x = 1 - q + q * cosine[k], y = q * sine[k];
        const double r = from_real[k], i = from_imaginary[k];
        real[k] = r * x - i * y;
        imaginary[k] = r * y + i * x;
    }
}

// The same for two raters at once.
FASTFUSE_CLONES void multiply_both(std::size_t n, double q1, const double* cosine1, const double* sine1,
                                   double q2, const double* cosine2, const double* sine2, double* real,
                                   double* imaginary) {
    for (std::size_t k = 0; k < n; ++k) {
        const double x1 = 1 - q1 + q1 * cosine1[k], y1 = q1 * sine1[k];
        const double x2 = 1 - q2 + q2 * cosine2[k], y2 = q2 * sine2[k];
        const double x = x1 * x2 - y1 * y2, y = x1 * y2 + y1 * x2;
        const double r = real[k], i = imaginary[k];
        real[k] = r * x - i * y;
        imaginary[k] = r * y + i * x;
    }
}

using Lanes = std::array<double, lanes>;

double total(const Lanes& parts) {
    double sum = 0;
    for (const double part : parts)
        sum += part;
    return sum;
}

// Σ Im φ / sinh πω and Σ (1 − Re φ) / (ω sinh πω).
FASTFUSE_CLONES void weigh(std::size_t n, const double* weight, const double* log_weight, const double* real,
                           const double* imaginary, double& odd, double& even) {
    Lanes a{}, b{};
    for (std::size_t k = 0; k < n; k += lanes)
        for (std::size_t l = 0; l < lanes; ++l) {
            a[l] += weight[k + l] * imaginary[k + l];
            b[l] += log_weight[k + l] * (1 - real[k + l]);
        }
    odd += total(a);
    even += total(b);
}

// Σ Im ψ / sinh πω and Σ Im ψ e^{iω gain} / sinh πω, ψ the product of all raters but one.
FASTFUSE_CLONES void weigh_without(std::size_t n, const double* weight, const double* cosine,
                                   const double* sine, const double* prefix_real,
                                   const double* prefix_imaginary, const double* suffix_real,
                                   const double* suffix_imaginary, double& without, double& with_mark) {
    Lanes a{}, b{};
    for (std::size_t k = 0; k < n; k += lanes)
        for (std::size_t l = 0; l < lanes; ++l) {
            const std::size_t m = k + l;
            const double r = prefix_real[m] * suffix_real[m] - prefix_imaginary[m] * suffix_imaginary[m];
            const double i = prefix_real[m] * suffix_imaginary[m] + prefix_imaginary[m] * suffix_real[m];
            a[l] += weight[m] * i;
            b[l] += weight[m] * (r * sine[m] + i * cosine[m]);
        }
    without += total(a);
    with_mark += total(b);
}

FASTFUSE_CLONES double largest_square(std::size_t n, const double* real, const double* imaginary) {
    Lanes most{};
    for (std::size_t k = 0; k < n; k += lanes)
        for (std::size_t l = 0; l < lanes; ++l)
            most[l] = std::max(most[l], real[k + l] * real[k + l] + imaginary[k + l] * imaginary[k + l]);
    return *std::max_element(most.begin(), most.end());
}

} // namespace

NodeSet::NodeSet(double period, const std::vector<double>& gain) : step(2 * pi / period) {
    const double last = negligible / pi;
    size = static_cast<std::size_t>(rounded_up(last / step));
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
        const double yes = std::log(performance.sensitivity[i] / performance.false_alarm_rate[i]);
        no.push_back(std::log(performance.miss_rate[i] / performance.specificity[i]));
        gain.push_back(yes - no.back());
        log_false_alarm.push_back(std::log(performance.false_alarm_rate[i]));
        log_rejection.push_back(std::log(performance.specificity[i]));
        largest += std::max(std::abs(yes), std::abs(no.back()));
    }
    constexpr double any_prior = 800; // |logit| of the least double and more
    slots_ = std::vector<Slot>(slot_for(largest + any_prior) + 2);
}

const NodeSet& Nodes::within(double largest) const {
    const std::size_t at = slot_for(largest);
    Slot& slot = slots_[std::min(at, slots_.size() - 1)];
    std::call_once(slot.once, [&] { slot.nodes = std::make_unique<NodeSet>(period_of(at), gain); });
    return *slot.nodes;
}

double Nodes::count_within(double largest) {
    return rounded_up(negligible / pi * period_of(slot_for(largest)) / (2 * pi));
}

RowAnswer RowCharacteristic::find(std::int64_t row, Sums* sums) {
    row_ = row;
    splits_ = sums != nullptr;
    begin();
    const double reach = std::sqrt(negligible / 2 * spread_); // Hoeffding: beyond mean ± reach lies e^−37
    if (highest_ <= -one_sided)
        expand(false);
    else if (lowest_ >= one_sided)
        expand(true);
    else if (mean_ + reach <= -negligible)
        saturate(false);
    else if (mean_ - reach >= negligible)
        saturate(true);
    else
        integrate(std::max(std::min(highest_, mean_ + reach), -std::max(lowest_, mean_ - reach)));
    if (splits_) {
        const double count = batch_.count[row_];
        for (std::size_t j = 0; j < doubts_.size(); ++j) {
            const std::size_t i = doubts_[j].rater;
            sums->hit[i] += count * split_[j].hit;
            sums->miss[i] += count * split_[j].miss;
            sums->false_alarm[i] += count * split_[j].false_alarm;
            sums->rejection[i] += count * split_[j].rejection;
        }
        for (std::size_t i = 0; i < nodes_.no.size(); ++i) {
            if (is_fractional(vote(i)) || is_missing(vote(i))) continue;
            (vote(i) == 1 ? sums->hit : sums->miss)[i] += count * w_;
            (vote(i) == 1 ? sums->false_alarm : sums->rejection)[i] += count * u_;
        }
    }
    return {w_, u_, log_zero_ + softplus_};
}

// Splits the raters into those in doubt and the others, and finds the range of S.
void RowCharacteristic::begin() {
    const double prior = batch_.prior ? batch_.prior[row_] : theta_.prior;
    doubts_.clear();
    base_ = std::log(prior) - std::log1p(-prior);
    log_zero_ = std::log1p(-prior);
    for (std::size_t i = 0; i < nodes_.no.size(); ++i) {
        const double q = vote(i);
        if (is_missing(q)) continue;
        log_zero_ += q * nodes_.log_false_alarm[i] + (1 - q) * nodes_.log_rejection[i];
        base_ += nodes_.no[i] + (q == 1 ? nodes_.gain[i] : 0);
        if (is_fractional(q)) doubts_.push_back({i, q, nodes_.gain[i]});
    }
    lowest_ = highest_ = mean_ = base_;
    spread_ = 0;
    for (const Doubt& doubt : doubts_) {
        (doubt.gain < 0 ? lowest_ : highest_) += doubt.gain;
        mean_ += doubt.vote * doubt.gain;
        spread_ += doubt.gain * doubt.gain;
    }
    split_.assign(doubts_.size(), Split{0, 0, 0, 0});
}

// Where S < 0 throughout, σ(S) = Σ_k (−1)^{k+1} e^{kS} and log(1 + e^S) = Σ_k (−1)^{k+1} e^{kS} / k, and
// E e^{kS} is a product: no digit is lost, however small w may be. Mirrored, the same of −S.
void RowCharacteristic::expand(bool mirrored) {
    const double end = mirrored ? -lowest_ : highest_; // the value of S, or −S, nearest to 0
    const double ratio = std::exp(end);
    const auto terms = static_cast<int>(std::ceil(-negligible / end)) + 1;
    terms_ = terms * static_cast<std::int64_t>(doubts_.size() + 1);
    power_.assign(doubts_.size(), 1);
    double sum = 0, log_sum = 0, leading = -1;
    std::vector<double>& factor = real_;
    factor.resize(std::max(factor.size(), doubts_.size()));
    for (int k = 1; k <= terms; ++k) {
        leading *= -ratio;
        double term = leading;
        for (std::size_t j = 0; j < doubts_.size(); ++j) {
            const Doubt& doubt = doubts_[j];
            power_[j] *= std::exp(-std::abs(doubt.gain));
            const double near = (doubt.gain > 0) != mirrored ? doubt.vote : 1 - doubt.vote;
            factor[j] = near + (1 - near) * power_[j];
            term *= factor[j];
        }
        sum += term;
        log_sum += term / k;
        for (std::size_t j = 0; j < doubts_.size() && splits_; ++j) {
            const bool near_is_mark = (doubts_[j].gain > 0) != mirrored;
            const double near = near_is_mark ? doubts_[j].vote : 1 - doubts_[j].vote;
            const double near_part = term * (near / factor[j]);
            const double far_part = term * ((1 - near) * power_[j] / factor[j]);
            split_[j].hit += near_is_mark ? near_part : far_part;
            split_[j].miss += near_is_mark ? far_part : near_part;
        }
    }
    w_ = sum;
    u_ = 1 - sum;
    softplus_ = log_sum;
    for (std::size_t j = 0; j < doubts_.size() && splits_; ++j) {
        split_[j].false_alarm = std::max(doubts_[j].vote - split_[j].hit, 0.0);
        split_[j].rejection = std::max(1 - doubts_[j].vote - split_[j].miss, 0.0);
    }
    if (!mirrored) return;
    std::swap(w_, u_);
    softplus_ += mean_;
    for (Split& split : split_) {
        std::swap(split.hit, split.false_alarm);
        std::swap(split.miss, split.rejection);
    }
}

// All but e^−37 of S lies so far on one side that σ(S) is 0, or 1, to the last digit.
void RowCharacteristic::saturate(bool marked) {
    terms_ = static_cast<std::int64_t>(doubts_.size());
    w_ = marked ? 1 : 0;
    u_ = marked ? 0 : 1;
    softplus_ = marked ? mean_ : 0;
    for (std::size_t j = 0; j < doubts_.size() && splits_; ++j) {
        const double q = doubts_[j].vote;
        split_[j] = marked ? Split{q, 1 - q, 0, 0} : Split{0, 0, q, 1 - q};
    }
}

void RowCharacteristic::integrate(double largest) {
    const NodeSet& nodes = nodes_.within(largest);
    terms_ = static_cast<std::int64_t>(nodes.size * (doubts_.size() + 1));
    real_.resize(std::max(real_.size(), Nodes::block));
    imaginary_.resize(Nodes::block);
    w_ = softplus_ = 0;
    if (splits_) {
        with_mark_.assign(doubts_.size(), 0);
        without_.assign(doubts_.size(), 0);
        prefix_.resize(2 * Nodes::block * (doubts_.size() + 1));
    }
    for (std::size_t first = 0; first < nodes.size; first += Nodes::block)
        splits_ ? split_block(nodes, first) : integrate_block(nodes, first);
    const double odd = w_;
    w_ = std::clamp(0.5 + odd, 0.0, 1.0);
    u_ = std::clamp(0.5 - odd, 0.0, 1.0);
    softplus_ += 0.5 * mean_ + log_2;
    for (std::size_t j = 0; j < doubts_.size() && splits_; ++j) {
        const double q = doubts_[j].vote;
        const double one = std::clamp(with_mark_[j], -0.5, 0.5), zero = std::clamp(without_[j], -0.5, 0.5);
        split_[j] = {q * (0.5 + one), (1 - q) * (0.5 + zero), q * (0.5 - one), (1 - q) * (0.5 - zero)};
    }
}

void RowCharacteristic::integrate_block(const NodeSet& nodes, std::size_t first) {
    constexpr std::size_t n = Nodes::block;
    double *real = real_.data(), *imaginary = imaginary_.data();
    turn_by(base_, (static_cast<double>(first) + 0.5) * nodes.step, nodes.step, n, real, imaginary);
    for (std::size_t j = 0; j < doubts_.size(); j += 2) {
        const std::size_t a = doubts_[j].rater;
        if (j + 1 == doubts_.size()) {
            multiply(n, doubts_[j].vote, nodes.cosine(a) + first, nodes.sine(a) + first, real, imaginary,
                     real, imaginary);
            break;
        }
        const std::size_t b = doubts_[j + 1].rater;
        multiply_both(n, doubts_[j].vote, nodes.cosine(a) + first, nodes.sine(a) + first, doubts_[j + 1].vote,
                      nodes.cosine(b) + first, nodes.sine(b) + first, real, imaginary);
        constexpr double nothing = 1e-36; // its root, times any weight, is less than the rounding of ½
        if ((j + 2) % raters_between_looks == 0 && largest_square(n, real, imaginary) < nothing) {
            std::fill_n(real, n, 0.0);
            std::fill_n(imaginary, n, 0.0);
            break;
        }
    }
    weigh(n, nodes.weight.data() + first, nodes.log_weight.data() + first, real, imaginary, w_, softplus_);
}

// The same, and the integrals over the product of all raters but one, for each: products of those before
// him, and of those after.
void RowCharacteristic::split_block(const NodeSet& nodes, std::size_t first) {
    constexpr std::size_t n = Nodes::block;
    const auto prefix = [&](std::size_t j) { return prefix_.data() + 2 * n * j; };
    turn_by(base_, (static_cast<double>(first) + 0.5) * nodes.step, nodes.step, n, prefix(0), prefix(0) + n);
    for (std::size_t j = 0; j < doubts_.size(); ++j) {
        const std::size_t i = doubts_[j].rater;
        multiply(n, doubts_[j].vote, nodes.cosine(i) + first, nodes.sine(i) + first, prefix(j), prefix(j) + n,
                 prefix(j + 1), prefix(j + 1) + n);
    }
    const double* all = prefix(doubts_.size());
    weigh(n, nodes.weight.data() + first, nodes.log_weight.data() + first, all, all + n, w_, softplus_);
    double *real = real_.data(), *imaginary = imaginary_.data();
    std::fill_n(real, n, 1.0);
    std::fill_n(imaginary, n, 0.0);
    for (std::size_t j = doubts_.size(); j-- > 0;) {
        const double *cosine = nodes.cosine(doubts_[j].rater) + first,
                     *sine = nodes.sine(doubts_[j].rater) + first;
        weigh_without(n, nodes.weight.data() + first, cosine, sine, prefix(j), prefix(j) + n, real, imaginary,
                      without_[j], with_mark_[j]);
        multiply(n, doubts_[j].vote, cosine, sine, real, imaginary, real, imaginary);
    }
}

} // namespace fastfuse
