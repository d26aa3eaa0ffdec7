#include "posterior/enumeration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "support/simd.hpp"

namespace fastfuse {
namespace {

constexpr int low_raters = 10; // raters whose 2^10 terms are in memory at once
constexpr std::size_t low_terms = std::size_t{1} << low_raters;

using LowTerms = std::array<double, low_terms>;

// w, 1 − w and the evidence of n binary patterns that share the factors of their remaining raters.
FASTFUSE_CLONES void weigh_terms(std::size_t n, const double* weight, const double* one, const double* zero,
                                 double weight_factor, double one_factor, double zero_factor, double* w,
                                 double* u, double* evidence) {
    for (std::size_t b = 0; b < n; ++b) {
        const double x = one[b] * one_factor;
        const double y = zero[b] * zero_factor;
        evidence[b] = x + y;
        w[b] = weight[b] * weight_factor * x / evidence[b];
        u[b] = weight[b] * weight_factor * y / evidence[b];
    }
}

double sum(const double* values, std::size_t n) {
    double total = 0;
    for (std::size_t k = 0; k < n; ++k)
        total += values[k];
    return total;
}

} // namespace

// Enumerates the binary patterns of a row.
class RowEnumerator::Terms {
  public:
    Terms(const Batch& batch, const Performance& performance) : batch_(batch), theta_(performance) {}

    std::int64_t terms() const { return std::int64_t{1} << fractional_; }

    RowAnswer enumerate(std::int64_t row, Sums* sums) {
        row_ = row;
        count_ = batch_.count[row];
        sums_ = sums;
        answer_ = RowAnswer();
        const double log_scale = begin();
        lay_out_low_raters();
        const std::size_t high = fractional_ - low_;
        for (std::size_t pattern = 0; pattern >> high == 0; ++pattern)
            add_terms(pattern);
        if (sums_) add_binary_raters();
        answer_.foreground = std::min(answer_.foreground, 1.0); // the weights sum to 1, except for rounding
        answer_.background = std::min(answer_.background, 1.0);
        answer_.log_likelihood += log_scale;
        return answer_;
    }

  private:
    double vote(std::size_t rater) const { return batch_.votes_of(static_cast<int>(rater))[row_]; }

    // Multiplies the likelihoods of the binary votes, and lists the raters with fractional votes. Scales the
    // larger product to [1/2, 1), so that the fractional votes cannot make it underflow. Returns the
    // logarithm of the scale.
    double begin() {
        one_ = batch_.prior ? batch_.prior[row_] : theta_.prior;
        zero_ = 1 - one_;
        fractional_ = 0;
        int factors = 0;
        one_exponent_ = zero_exponent_ = 0;
        take_exponents(); // a prior near 0 or 1 underflows without
        for (std::size_t i = 0; i < static_cast<std::size_t>(batch_.raters); ++i) {
            if (is_fractional(vote(i))) {
                // Checked before, but the caller may have changed the array since.
                if (fractional_ == most_fractional)
                    throw BadInput(BadInput::Kind::too_many_fractional, -1, -1,
                                   fractional_votes(batch_, row_));
                branching_[fractional_++] = i;
                continue;
            }
            if (is_missing(vote(i))) continue;
            one_ *= vote(i) == 1 ? theta_.sensitivity[i] : theta_.false_negative_rate[i];
            zero_ *= vote(i) == 1 ? theta_.false_positive_rate[i] : theta_.specificity[i];
            if (++factors % factors_between_scalings == 0) take_exponents();
        }
        low_ = std::min<std::size_t>(fractional_, low_raters);
        take_exponents();
        const std::int64_t larger = std::max(one_exponent_, zero_exponent_);
        one_ = times_power_of_two(one_, one_exponent_ - larger);
        zero_ = times_power_of_two(zero_, zero_exponent_ - larger);
        return static_cast<double>(larger) * log_2;
    }

    // Each product has an exponent of its own: the smaller product may become the larger one later.
    void take_exponents() {
        one_exponent_ += take_exponent(one_);
        zero_exponent_ += take_exponent(zero_);
    }

    void lay_out_low_raters() {
        weight_[0] = one_term_[0] = zero_term_[0] = 1;
        for (std::size_t j = 0; j < low_; ++j) {
            const std::size_t i = branching_[j];
            const std::size_t n = std::size_t{1} << j;
            branch(weight_.data(), n, 1 - vote(i), vote(i));
            branch(one_term_.data(), n, theta_.false_negative_rate[i], theta_.sensitivity[i]);
            branch(zero_term_.data(), n, theta_.specificity[i], theta_.false_positive_rate[i]);
        }
    }

    // Adds the patterns in which the raters after the low ones have the marks that are the bits of `high`.
    void add_terms(std::size_t high) {
        double weight = 1, one = one_, zero = zero_;
        for (std::size_t j = low_; j < fractional_; ++j) {
            const std::size_t i = branching_[j];
            const bool yes = high >> (j - low_) & 1;
            weight *= yes ? vote(i) : 1 - vote(i);
            one *= yes ? theta_.sensitivity[i] : theta_.false_negative_rate[i];
            zero *= yes ? theta_.false_positive_rate[i] : theta_.specificity[i];
        }
        const std::size_t n = std::size_t{1} << low_;
        weigh_terms(n, weight_.data(), one_term_.data(), zero_term_.data(), weight, one, zero, w_.data(),
                    u_.data(), evidence_.data());
        double log_likelihood = 0;
        for (std::size_t b = 0; b < n; ++b)
            log_likelihood += weight_[b] * std::log(evidence_[b]);
        const double foreground = sum(w_.data(), n), background = sum(u_.data(), n); // eq. (9)
        answer_.foreground += foreground;
        answer_.background += background;
        answer_.log_likelihood += weight * log_likelihood;
        if (!sums_) return;
        for (std::size_t j = low_; j < fractional_; ++j)
            add_rater(branching_[j], high >> (j - low_) & 1, foreground, background);
        fold_low_raters();
    }

    void add_rater(std::size_t i, bool yes, double foreground, double background) {
        (yes ? sums_->true_positive : sums_->false_negative)[i] += count_ * foreground;
        (yes ? sums_->false_positive : sums_->true_negative)[i] += count_ * background;
    }

    // Sums over the patterns with each low rater's bit, and over those without it. Each step adds the upper
    // half of the patterns to the lower half.
    void fold_low_raters() {
        for (std::size_t j = low_; j-- > 0;) {
            const std::size_t half = std::size_t{1} << j;
            add_rater(branching_[j], false, sum(w_.data(), half), sum(u_.data(), half));
            add_rater(branching_[j], true, sum(w_.data() + half, half), sum(u_.data() + half, half));
            for (std::size_t b = 0; b < half; ++b) {
                w_[b] += w_[half + b];
                u_[b] += u_[half + b];
            }
        }
    }

    void add_binary_raters() {
        for (std::size_t i = 0; i < static_cast<std::size_t>(batch_.raters); ++i)
            if (!is_fractional(vote(i)) && !is_missing(vote(i)))
                add_rater(i, vote(i) == 1, answer_.foreground, answer_.background);
    }

    const Batch& batch_;
    const Performance& theta_;
    std::int64_t row_ = 0;
    double count_ = 0;
    Sums* sums_ = nullptr;
    RowAnswer answer_;
    double one_ = 0, zero_ = 0; // π Π a_i1 and (1 − π) Π a_i0 over the binary votes, scaled
    std::int64_t one_exponent_ = 0, zero_exponent_ = 0;
    std::size_t fractional_ = 0, low_ = 0;
    std::array<std::size_t, most_fractional> branching_{}; // raters with fractional votes
    LowTerms weight_, one_term_, zero_term_;               // q(B), Π a_i1, Π a_i0 over the low raters
    LowTerms w_, u_, evidence_;
};

void branch(double* product, std::size_t n, double no, double yes) {
    for (std::size_t b = 0; b < n; ++b) {
        product[n + b] = product[b] * yes;
        product[b] *= no;
    }
}

RowEnumerator::RowEnumerator(const Batch& batch, const Performance& performance)
    : terms_(std::make_unique<Terms>(batch, performance)) {}

RowEnumerator::~RowEnumerator() = default;

RowAnswer RowEnumerator::find(std::int64_t row, Sums* sums) { return terms_->enumerate(row, sums); }

std::int64_t RowEnumerator::terms() const { return terms_->terms(); }

} // namespace fastfuse
