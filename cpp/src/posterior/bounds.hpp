// Bounds on the log-odds S of one row, and E σ(S) as a series where S keeps its sign. Used by
// characteristic.cpp and by the CUDA kernels.
//
//   S        log-odds of a random binary pattern of the row; symbols as in characteristic.hpp
//   gain_i   difference of S between rater i's marks 1 and 0
//   t        parameter of the Chernoff bound
#pragma once

#include <cmath>

#include "posterior/node_sets.hpp"

namespace fastfuse {

constexpr double one_sided = 1;    // distance of S from 0 from which the series is used
constexpr double rounding = 1e-18; // below the rounding of any sum, relative to it
constexpr int worth_bounding = 12; // number of fractional votes from which the Chernoff bound pays

// Range and moments of S.
struct LogOdds {
    double base = 0; // S if every fractional vote were 0
    double lowest = 0, highest = 0, mean = 0, variance = 0;
    int fractional = 0; // number of fractional votes
};

// S lies in [lowest, highest] except with probability e^−37. log_foreground and log_background are upper
// bounds of log E σ(S) and log E σ(−S).
struct Tails {
    double lowest, highest;
    double log_foreground = 0, log_background = 0;
};

// Chernoff: P(S ≥ x) ≤ E e^{t(S − x)} for every t > 0, and E σ(S) ≤ E e^{tS} for t ≤ 1. The same holds for
// −S. Tried are the t that is best for a Gaussian S, and powers of 2 around it.
class ChernoffBound {
  public:
    FASTFUSE_HOST_DEVICE explicit ChernoffBound(const LogOdds& s)
        : s_(s), least_(std::sqrt(2 * negligible / s.variance) / 4) {
        for (int k = 0; k < tries; ++k) {
            up_[k] = down_[k] = 1;
            log_up_[k] = log_down_[k] = 0;
        }
    }

    // To be called for each of the row's fractional votes.
    FASTFUSE_HOST_DEVICE void add(double vote, double gain) {
        double more = std::exp(least_ * gain), less = 1 / more;
        for (int k = 0; k < tries; ++k) {
            up_[k] *= 1 - vote + vote * more;
            down_[k] *= 1 - vote + vote * less;
            more *= more;
            less *= less;
        }
        ++added_;
        if (added_ % factors_a_logarithm == 0 || added_ == s_.fractional) take_logarithms();
    }

    FASTFUSE_HOST_DEVICE Tails tails() const {
        Tails tails{s_.lowest, s_.highest};
        double t = least_;
        for (int k = 0; k < tries; ++k, t *= 2) {
            const double foreground = log_up_[k] + t * s_.base, background = log_down_[k] - t * s_.base;
            lower(tails.highest, (foreground + negligible) / t);
            raise(tails.lowest, -(background + negligible) / t);
            if (t > 1) continue;
            lower(tails.log_foreground, foreground);
            lower(tails.log_background, background);
        }
        return tails;
    }

  private:
    static constexpr int tries = 4, factors_a_logarithm = 8;

    FASTFUSE_HOST_DEVICE void take_logarithms() {
        for (int k = 0; k < tries; ++k) {
            log_up_[k] += std::log(up_[k]);
            log_down_[k] += std::log(down_[k]);
            up_[k] = down_[k] = 1;
        }
    }

    FASTFUSE_HOST_DEVICE static void lower(double& value, double bound) {
        if (bound < value) value = bound;
    }
    FASTFUSE_HOST_DEVICE static void raise(double& value, double bound) {
        if (bound > value) value = bound;
    }

    const LogOdds& s_;
    double least_; // the smallest t
    int added_ = 0;
    double up_[tries], down_[tries];         // E e^{±t(S − base)} of the last votes
    double log_up_[tries], log_down_[tries]; // of the votes before them
};

// Series for S < 0: σ(S) = Σ_k (−1)^{k+1} e^{kS} and log(1 + e^S) = Σ_k (−1)^{k+1} e^{kS} / k. E e^{kS} is a
// product over raters, so that no digit is lost, however small E σ(S) is. "Mirrored", for S > 0: the series
// of −S.
//
//     do { term = series.begin_term() times the factor of each fractional vote } while (series.add(term));
class Series {
  public:
    FASTFUSE_HOST_DEVICE Series(const LogOdds& s, bool mirrored) {
        const double nearest = mirrored ? -s.lowest : s.highest; // to 0
        ratio_ = std::exp(nearest);
        most_terms_ = static_cast<int>(std::ceil(-negligible / nearest)) + 1;
    }

    // (−1)^{k+1} e^{k nearest} of the next k.
    FASTFUSE_HOST_DEVICE double begin_term() {
        ++terms;
        return leading_ *= -ratio_;
    }

    // Returns whether the sum needs another term.
    FASTFUSE_HOST_DEVICE bool add(double term) {
        sum += term;
        log_sum += term / terms;
        return terms < most_terms_ && !(std::fabs(term) <= rounding * std::fabs(sum));
    }

    double sum = 0;     // E σ(S)
    double log_sum = 0; // E log(1 + e^S)
    int terms = 0;      // k of the last one

  private:
    double ratio_, leading_ = -1;
    int most_terms_;
};

// The mark of a fractional vote that brings S (mirrored: −S) nearer to 0.
struct NearMark {
    FASTFUSE_HOST_DEVICE NearMark(double vote, double gain, bool mirrored)
        : is_one((gain > 0) != mirrored), probability(is_one ? vote : 1 - vote) {}
    // The vote's factor of a term, for decay = e^{−k|gain|}.
    FASTFUSE_HOST_DEVICE double factor(double decay) const { return probability + (1 - probability) * decay; }

    bool is_one;
    double probability;
};

// E σ(S) and E σ(−S), each split by a rater's own mark.
struct MarkSplit {
    double true_positive, false_negative, false_positive, true_negative;
};

// From the parts of Series::sum where the rater's mark is 1 and where it is 0.
FASTFUSE_HOST_DEVICE inline MarkSplit split_of(double vote, double one, double zero, bool mirrored) {
    const double other_one = vote - one, other_zero = 1 - vote - zero;
    const MarkSplit split{one, zero, other_one < 0 ? 0 : other_one, other_zero < 0 ? 0 : other_zero};
    if (!mirrored) return split;
    return {split.false_positive, split.true_negative, split.true_positive, split.false_negative};
}

} // namespace fastfuse
