#include "posterior/characteristic.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "posterior/node_loops.hpp"

namespace fastfuse {
namespace {

constexpr std::size_t raters_between_looks = 8;
constexpr std::size_t rows_together = 16;

} // namespace

RowCharacteristic::RowCharacteristic(const Batch& batch, const Performance& performance, const Nodes& nodes,
                                     Posterior& posterior, Sums* sums)
    : batch_(batch), theta_(performance), nodes_(nodes), posterior_(posterior), sums_(sums),
      queues_(nodes.sets()), real_(Nodes::block), imaginary_(Nodes::block) {}

std::int64_t RowCharacteristic::take(std::int64_t at) {
    Row& row = row_;
    begin(row, at);
    if (row.highest <= -one_sided) return expand(row, false);
    if (row.lowest >= one_sided) return expand(row, true);
    const Tails tails = bound_tails(row);
    if (tails.log_foreground <= -negligible) return saturate(row, false);
    if (tails.log_background <= -negligible) return saturate(row, true);
    const std::size_t set = set_within(std::max(tails.highest, -tails.lowest));
    wait(set, row);
    return queues_[set].size == rows_together ? integrate(set) : 0;
}

std::int64_t RowCharacteristic::finish() {
    std::int64_t terms = 0;
    for (std::size_t set = 0; set < queues_.size(); ++set)
        terms += integrate(set);
    return terms;
}

// Splits the raters into those in doubt and the others, and finds the range of S.
void RowCharacteristic::begin(Row& row, std::int64_t at) const {
    row.at = at;
    const double prior = batch_.prior ? batch_.prior[at] : theta_.prior;
    row.doubts.clear();
    row.base = std::log(prior) - std::log1p(-prior);
    row.log_zero = std::log1p(-prior);
    for (std::size_t i = 0; i < nodes_.no.size(); ++i) {
        const double q = vote(i, row);
        if (is_missing(q)) continue;
        row.log_zero += q * nodes_.log_false_alarm[i] + (1 - q) * nodes_.log_rejection[i];
        row.base += nodes_.no[i] + (q == 1 ? nodes_.gain[i] : 0);
        if (is_fractional(q)) row.doubts.push_back({i, q, nodes_.gain[i]});
    }
    row.lowest = row.highest = row.mean = row.base;
    row.variance = 0;
    for (const Doubt& doubt : row.doubts) {
        (doubt.gain < 0 ? row.lowest : row.highest) += doubt.gain;
        row.mean += doubt.vote * doubt.gain;
        row.variance += doubt.vote * (1 - doubt.vote) * doubt.gain * doubt.gain;
    }
}

// Chernoff: P(S ≥ x) ≤ E e^{t(S − x)} for every t > 0, and E σ(S) ≤ E e^{tS} where t ≤ 1; the same of −S. For
// t, that which is best if S were Gaussian, and powers of 2 around it.
RowCharacteristic::Tails RowCharacteristic::bound_tails(const Row& row) {
    Tails tails{row.lowest, row.highest};
    if (static_cast<int>(row.doubts.size()) < worth_bounding) return tails;
    constexpr std::size_t tries = 4, factors_a_logarithm = 8;
    const double least = std::sqrt(2 * negligible / row.variance) / 4;
    std::array<double, tries> up{}, down{}, log_up{}, log_down{}; // E e^{±t(S − base)}
    up.fill(1), down.fill(1);
    for (std::size_t j = 0; j < row.doubts.size(); ++j) {
        const double q = row.doubts[j].vote;
        double more = std::exp(least * row.doubts[j].gain), less = 1 / more;
        for (std::size_t k = 0; k < tries; ++k, more *= more, less *= less) {
            up[k] *= 1 - q + q * more;
            down[k] *= 1 - q + q * less;
        }
        if ((j + 1) % factors_a_logarithm != 0 && j + 1 < row.doubts.size()) continue;
        for (std::size_t k = 0; k < tries; ++k) {
            log_up[k] += std::log(up[k]);
            log_down[k] += std::log(down[k]);
        }
        up.fill(1), down.fill(1);
    }
    double t = least;
    for (std::size_t k = 0; k < tries; ++k, t *= 2) {
        log_up[k] += t * row.base;
        log_down[k] -= t * row.base;
        tails.highest = std::min(tails.highest, (log_up[k] + negligible) / t);
        tails.lowest = std::max(tails.lowest, -(log_down[k] + negligible) / t);
        if (t > 1) continue;
        tails.log_foreground = std::min(tails.log_foreground, log_up[k]);
        tails.log_background = std::min(tails.log_background, log_down[k]);
    }
    return tails;
}

// w = E σ(S), u = E σ(−S), softplus = E log(1 + e^S).
void RowCharacteristic::answer(const Row& row, double w, double u, double softplus) {
    const auto r = static_cast<std::size_t>(row.at);
    posterior_.foreground[r] = w;
    posterior_.background[r] = u;
    posterior_.log_likelihood[r] = row.log_zero + softplus;
    if (!sums_) return;
    const double count = batch_.count[row.at];
    for (std::size_t j = 0; j < row.doubts.size(); ++j) {
        const std::size_t i = row.doubts[j].rater;
        sums_->true_positive[i] += count * split_[j].true_positive;
        sums_->false_negative[i] += count * split_[j].false_negative;
        sums_->false_positive[i] += count * split_[j].false_positive;
        sums_->true_negative[i] += count * split_[j].true_negative;
    }
    for (std::size_t i = 0; i < nodes_.no.size(); ++i) {
        const double q = vote(i, row);
        if (is_fractional(q) || is_missing(q)) continue;
        (q == 1 ? sums_->true_positive : sums_->false_negative)[i] += count * w;
        (q == 1 ? sums_->false_positive : sums_->true_negative)[i] += count * u;
    }
}

// Where S < 0 throughout, σ(S) = Σ_k (−1)^{k+1} e^{kS} and log(1 + e^S) = Σ_k (−1)^{k+1} e^{kS} / k, and
// E e^{kS} is a product: no digit is lost, however small w may be. Mirrored, the same of −S.
std::int64_t RowCharacteristic::expand(const Row& row, bool mirrored) {
    const std::vector<Doubt>& doubts = row.doubts;
    const double end = mirrored ? -row.lowest : row.highest; // the value of S, or −S, nearest to 0
    const double ratio = std::exp(end);
    const auto terms = static_cast<int>(std::ceil(-negligible / end)) + 1;
    power_.assign(doubts.size(), 1);
    factor_.resize(doubts.size());
    if (sums_) split_.assign(doubts.size(), Split{0, 0, 0, 0});
    double sum = 0, log_sum = 0, leading = -1;
    for (int k = 1; k <= terms; ++k) {
        leading *= -ratio;
        double term = leading;
        for (std::size_t j = 0; j < doubts.size(); ++j) {
            power_[j] *= nodes_.decay[doubts[j].rater];
            const double near = (doubts[j].gain > 0) != mirrored ? doubts[j].vote : 1 - doubts[j].vote;
            factor_[j] = near + (1 - near) * power_[j];
            term *= factor_[j];
        }
        sum += term;
        log_sum += term / k;
        for (std::size_t j = 0; j < doubts.size() && sums_; ++j) {
            const bool near_is_mark = (doubts[j].gain > 0) != mirrored;
            const double near = near_is_mark ? doubts[j].vote : 1 - doubts[j].vote;
            const double near_part = term * (near / factor_[j]);
            const double far_part = term * ((1 - near) * power_[j] / factor_[j]);
            split_[j].true_positive += near_is_mark ? near_part : far_part;
            split_[j].false_negative += near_is_mark ? far_part : near_part;
        }
        if (std::abs(term) <= rounding * std::abs(sum)) break;
    }
    for (std::size_t j = 0; j < doubts.size() && sums_; ++j) {
        Split& split = split_[j];
        split.false_positive = std::max(doubts[j].vote - split.true_positive, 0.0);
        split.true_negative = std::max(1 - doubts[j].vote - split.false_negative, 0.0);
        if (!mirrored) continue;
        std::swap(split.true_positive, split.false_positive);
        std::swap(split.false_negative, split.true_negative);
    }
    if (mirrored)
        answer(row, 1 - sum, sum, log_sum + row.mean);
    else
        answer(row, sum, 1 - sum, log_sum);
    return terms * static_cast<std::int64_t>(doubts.size() + 1);
}

// All but e^−37 of S lies so far on one side that σ(S) is 0, or 1, to the last digit.
std::int64_t RowCharacteristic::saturate(const Row& row, bool marked) {
    if (sums_) split_.clear();
    for (std::size_t j = 0; j < row.doubts.size() && sums_; ++j) {
        const double q = row.doubts[j].vote;
        split_.push_back(marked ? Split{q, 1 - q, 0, 0} : Split{0, 0, q, 1 - q});
    }
    answer(row, marked ? 1 : 0, marked ? 0 : 1, marked ? row.mean : 0);
    return static_cast<std::int64_t>(row.doubts.size());
}

void RowCharacteristic::wait(std::size_t set, Row& row) {
    row.odd = row.even = 0;
    if (sums_) {
        row.with_mark.assign(row.doubts.size(), 0);
        row.without.assign(row.doubts.size(), 0);
    }
    Queue& queue = queues_[set];
    if (queue.size == queue.rows.size()) queue.rows.emplace_back();
    std::swap(queue.rows[queue.size++], row);
}

std::int64_t RowCharacteristic::integrate(std::size_t set) {
    Queue& queue = queues_[set];
    if (queue.size == 0) return 0;
    const NodeSet& nodes = nodes_.set(set);
    for (std::size_t first = 0; first < nodes.size; first += Nodes::block)
        for (std::size_t r = 0; r < queue.size; ++r)
            sums_ ? split_block(nodes, first, queue.rows[r]) : integrate_block(nodes, first, queue.rows[r]);
    std::size_t factors = 0;
    for (std::size_t r = 0; r < queue.size; ++r) {
        const Row& row = queue.rows[r];
        factors += row.doubts.size() + 1;
        if (sums_) split_.clear();
        for (std::size_t j = 0; j < row.doubts.size() && sums_; ++j) {
            const double q = row.doubts[j].vote;
            const double one = std::clamp(row.with_mark[j], -0.5, 0.5);
            const double zero = std::clamp(row.without[j], -0.5, 0.5);
            split_.push_back(
                {q * (0.5 + one), (1 - q) * (0.5 + zero), q * (0.5 - one), (1 - q) * (0.5 - zero)});
        }
        const double odd = std::clamp(row.odd, -0.5, 0.5);
        answer(row, 0.5 + odd, 0.5 - odd, row.even + 0.5 * row.mean + log_2);
    }
    queue.size = 0;
    return static_cast<std::int64_t>(nodes.size * factors);
}

void RowCharacteristic::integrate_block(const NodeSet& nodes, std::size_t first, Row& row) {
    constexpr std::size_t n = Nodes::block;
    const std::vector<Doubt>& doubts = row.doubts;
    double *real = real_.data(), *imaginary = imaginary_.data();
    // |φ| below this, times any weight of the block, is less than the rounding of ½
    const double nothing = 1e-18 / std::max(nodes.weight[first], nodes.log_weight[first]);
    turn_by(row.base, (static_cast<double>(first) + 0.5) * nodes.step, nodes.step, n, real, imaginary);
    for (std::size_t j = 0; j < doubts.size(); j += 2) {
        const std::size_t a = doubts[j].rater;
        if (j + 1 == doubts.size()) {
            multiply(n, doubts[j].vote, nodes.cosine(a) + first, nodes.sine(a) + first, real, imaginary, real,
                     imaginary);
            break;
        }
        const std::size_t b = doubts[j + 1].rater;
        multiply_both(n, doubts[j].vote, nodes.cosine(a) + first, nodes.sine(a) + first, doubts[j + 1].vote,
                      nodes.cosine(b) + first, nodes.sine(b) + first, real, imaginary);
        if ((j + 2) % raters_between_looks == 0 && largest_square(n, real, imaginary) < nothing * nothing) {
            std::fill_n(real, n, 0.0);
            std::fill_n(imaginary, n, 0.0);
            break;
        }
    }
    weigh(n, nodes.weight.data() + first, nodes.log_weight.data() + first, real, imaginary, row.odd,
          row.even);
}

// The same, and the integrals over the product of all raters but one, for each: products of those before
// him, and of those after.
void RowCharacteristic::split_block(const NodeSet& nodes, std::size_t first, Row& row) {
    constexpr std::size_t n = Nodes::block;
    const std::vector<Doubt>& doubts = row.doubts;
    prefix_.resize(std::max(prefix_.size(), 2 * n * (doubts.size() + 1)));
    const auto prefix = [&](std::size_t j) { return prefix_.data() + 2 * n * j; };
    turn_by(row.base, (static_cast<double>(first) + 0.5) * nodes.step, nodes.step, n, prefix(0),
            prefix(0) + n);
    for (std::size_t j = 0; j < doubts.size(); ++j) {
        const std::size_t i = doubts[j].rater;
        multiply(n, doubts[j].vote, nodes.cosine(i) + first, nodes.sine(i) + first, prefix(j), prefix(j) + n,
                 prefix(j + 1), prefix(j + 1) + n);
    }
    const double* all = prefix(doubts.size());
    weigh(n, nodes.weight.data() + first, nodes.log_weight.data() + first, all, all + n, row.odd, row.even);
    double *real = real_.data(), *imaginary = imaginary_.data();
    std::fill_n(real, n, 1.0);
    std::fill_n(imaginary, n, 0.0);
    for (std::size_t j = doubts.size(); j-- > 0;) {
        const double *cosine = nodes.cosine(doubts[j].rater) + first,
                     *sine = nodes.sine(doubts[j].rater) + first;
        weigh_without(n, nodes.weight.data() + first, cosine, sine, prefix(j), prefix(j) + n, real, imaginary,
                      row.without[j], row.with_mark[j]);
        multiply(n, doubts[j].vote, cosine, sine, real, imaginary, real, imaginary);
    }
}

} // namespace fastfuse
