#include "posterior/characteristic.hpp"

#include <algorithm>
#include <cmath>

#include "posterior/node_loops.hpp"

namespace fastfuse {
namespace {

constexpr std::size_t raters_between_looks = 8; // number of raters between two tests of |φ| ≈ 0
constexpr std::size_t rows_together = 16;

template <class Row> Tails tails_of(const Row& row) {
    if (row.fractional < worth_bounding) return {row.lowest, row.highest};
    ChernoffBound bound(row);
    for (const auto& doubt : row.doubts)
        bound.add(doubt.vote, doubt.gain);
    return bound.tails();
}

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
    const Tails tails = tails_of(row);
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

// Collects the fractional votes, and finds the range of S.
void RowCharacteristic::begin(Row& row, std::int64_t at) const {
    row.at = at;
    const double prior = batch_.prior ? batch_.prior[at] : theta_.prior;
    row.doubts.clear();
    row.base = std::log(prior) - std::log1p(-prior);
    row.log_zero = std::log1p(-prior);
    for (std::size_t i = 0; i < nodes_.no.size(); ++i) {
        const double q = vote(i, row);
        if (is_missing(q)) continue;
        row.log_zero += q * nodes_.log_false_positive[i] + (1 - q) * nodes_.log_true_negative[i];
        row.base += nodes_.no[i] + (q == 1 ? nodes_.gain[i] : 0);
        if (is_fractional(q)) row.doubts.push_back({i, q, nodes_.gain[i]});
    }
    row.lowest = row.highest = row.mean = row.base;
    row.variance = 0;
    row.fractional = static_cast<int>(row.doubts.size());
    for (const Doubt& doubt : row.doubts) {
        (doubt.gain < 0 ? row.lowest : row.highest) += doubt.gain;
        row.mean += doubt.vote * doubt.gain;
        row.variance += doubt.vote * (1 - doubt.vote) * doubt.gain * doubt.gain;
    }
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

std::int64_t RowCharacteristic::expand(const Row& row, bool mirrored) {
    const std::vector<Doubt>& doubts = row.doubts;
    power_.assign(doubts.size(), 1);
    factor_.resize(doubts.size());
    near_sum_.assign(doubts.size(), 0);
    far_sum_.assign(doubts.size(), 0);
    Series series(row, mirrored);
    for (bool more = true; more;)
        more = series.add(series_term(doubts, series.begin_term(), mirrored));
    if (sums_) split_series(doubts, mirrored);
    if (mirrored)
        answer(row, 1 - series.sum, series.sum, series.log_sum + row.mean);
    else
        answer(row, series.sum, 1 - series.sum, series.log_sum);
    return series.terms * static_cast<std::int64_t>(doubts.size() + 1);
}

// Finds the next term of the series, from the factor that all terms share. Also adds the term's two parts for
// each doubt: its mark 1 and its mark 0.
double RowCharacteristic::series_term(const std::vector<Doubt>& doubts, double term, bool mirrored) {
    for (std::size_t j = 0; j < doubts.size(); ++j) {
        power_[j] *= nodes_.decay[doubts[j].rater];
        factor_[j] = NearMark(doubts[j].vote, doubts[j].gain, mirrored).factor(power_[j]);
        term *= factor_[j];
    }
    for (std::size_t j = 0; j < doubts.size() && sums_; ++j) {
        const double near = NearMark(doubts[j].vote, doubts[j].gain, mirrored).probability;
        near_sum_[j] += term * (near / factor_[j]);
        far_sum_[j] += term * ((1 - near) * power_[j] / factor_[j]);
    }
    return term;
}

void RowCharacteristic::split_series(const std::vector<Doubt>& doubts, bool mirrored) {
    split_.clear();
    for (std::size_t j = 0; j < doubts.size(); ++j) {
        const Doubt& doubt = doubts[j];
        const bool near_is_one = NearMark(doubt.vote, doubt.gain, mirrored).is_one;
        split_.push_back(split_of(doubt.vote, near_is_one ? near_sum_[j] : far_sum_[j],
                                  near_is_one ? far_sum_[j] : near_sum_[j], mirrored));
    }
}

// For S far on one side of 0: σ(S) is 0 or 1 to the last digit, except with probability e^−37.
std::int64_t RowCharacteristic::saturate(const Row& row, bool marked) {
    if (sums_) split_.clear();
    for (std::size_t j = 0; j < row.doubts.size() && sums_; ++j) {
        const double q = row.doubts[j].vote;
        split_.push_back(marked ? MarkSplit{q, 1 - q, 0, 0} : MarkSplit{0, 0, q, 1 - q});
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
        if (sums_) split_integral(row);
        const double odd = std::clamp(row.odd, -0.5, 0.5);
        answer(row, 0.5 + odd, 0.5 - odd, row.even + 0.5 * row.mean + log_2);
    }
    queue.size = 0;
    return static_cast<std::int64_t>(nodes.size * factors);
}

void RowCharacteristic::split_integral(const Row& row) {
    split_.clear();
    for (std::size_t j = 0; j < row.doubts.size(); ++j) {
        const double q = row.doubts[j].vote;
        const double one = std::clamp(row.with_mark[j], -0.5, 0.5);
        const double zero = std::clamp(row.without[j], -0.5, 0.5);
        split_.push_back({q * (0.5 + one), (1 - q) * (0.5 + zero), q * (0.5 - one), (1 - q) * (0.5 - zero)});
    }
}

void RowCharacteristic::integrate_block(const NodeSet& nodes, std::size_t first, Row& row) {
    constexpr std::size_t n = Nodes::block;
    const std::vector<Doubt>& doubts = row.doubts;
    double *real = real_.data(), *imaginary = imaginary_.data();
    // Where |φ| is below this limit, |φ| times any weight of the block is less than the rounding of ½.
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

// Also integrates, for each doubt, φ without its rater: the product of the factors before it times the
// product of the factors after it.
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
