#include "posterior/product.hpp"

#include <algorithm>
#include <cmath>

#include "support/simd.hpp"

namespace fastfuse {
namespace {

// Multiplies the product of every row by a_i1, or by a_i0. eq. (10)
FASTFUSE_CLONES void multiply(const double* vote, std::int64_t rows, double yes, double no, double* product) {
    for (std::int64_t r = 0; r < rows; ++r)
        product[r] *= vote[r] * yes + (1 - vote[r]) * no;
}

// Skips missing votes.
FASTFUSE_CLONES void multiply_present(const double* vote, std::int64_t rows, double yes, double no,
                                      double* product) {
    for (std::int64_t r = 0; r < rows; ++r)
        product[r] *= vote[r] < 0 ? 1 : vote[r] * yes + (1 - vote[r]) * no;
}

// Adds log a_i1, or log a_i0, to the sum of every row, where the vote weighs the log-odds.
FASTFUSE_CLONES void add_weighted(const double* vote, std::int64_t rows, double log_yes, double log_no,
                                  double* sum) {
    for (std::int64_t r = 0; r < rows; ++r)
        sum[r] += vote[r] < 0 ? 0 : vote[r] * log_yes + (1 - vote[r]) * log_no;
}

FASTFUSE_CLONES void normalise(std::int64_t rows, double* one, double* zero, double* evidence) {
    for (std::int64_t r = 0; r < rows; ++r) {
        evidence[r] = one[r] + zero[r];
        one[r] /= evidence[r];
        zero[r] /= evidence[r];
    }
}

// With more than a few raters each truth's product has an exponent of its own, so that neither underflows:
// the smaller product may become the larger one later.
void take_exponents(std::int64_t rows, double* one, double* zero, std::array<std::int64_t, 2>* exponent) {
    for (std::int64_t r = 0; r < rows; ++r) {
        exponent[r][0] += take_exponent(one[r]);
        exponent[r][1] += take_exponent(zero[r]);
    }
}

// Brings both products to the larger exponent.
void align(std::int64_t rows, double* one, double* zero, const std::array<std::int64_t, 2>* exponent,
           double* log_scale) {
    for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t larger = std::max(exponent[r][0], exponent[r][1]);
        one[r] = times_power_of_two(one[r], exponent[r][0] - larger);
        zero[r] = times_power_of_two(zero[r], exponent[r][1] - larger);
        log_scale[r] = static_cast<double>(larger) * log_2;
    }
}

} // namespace

std::int64_t take_exponent(double& value) {
    int exponent;
    value = std::frexp(value, &exponent);
    return exponent;
}

double times_power_of_two(double value, std::int64_t exponent) {
    constexpr std::int64_t most = 5000; // more than the exponent of any double
    return std::ldexp(value, static_cast<int>(std::clamp(exponent, -most, most)));
}

Performance::Performance(int raters, double theta)
    : sensitivity(static_cast<std::size_t>(raters), theta),
      false_negative_rate(sensitivity.size(), 1 - theta), specificity(sensitivity.size(), theta),
      false_positive_rate(sensitivity.size(), 1 - theta) {}

void Posterior::make_room(std::int64_t rows) {
    const auto size = static_cast<std::size_t>(rows);
    if (foreground.size() >= size) return;
    for (RawVector<double>* values : {&foreground, &background, &log_likelihood, &evidence})
        values->resize(size);
}

void product_posterior(const Batch& batch, const Performance& performance, Posterior& posterior) {
    posterior.make_room(batch.rows);
    double* one = posterior.foreground.data();
    double* zero = posterior.background.data();
    double* log_likelihood = posterior.log_likelihood.data();
    for (std::int64_t r = 0; r < batch.rows; ++r) {
        one[r] = batch.prior ? batch.prior[r] : performance.prior;
        zero[r] = 1 - one[r];
        log_likelihood[r] = 0;
    }
    const auto factor = batch.may_miss ? multiply_present : multiply;
    const bool many = batch.raters > factors_between_scalings;
    if (many) {
        posterior.exponent.assign(static_cast<std::size_t>(batch.rows), {});
        take_exponents(batch.rows, one, zero,
                       posterior.exponent.data()); // a prior near 0 or 1 underflows without
    }
    for (int i = 0; i < batch.raters; ++i) {
        const auto k = static_cast<std::size_t>(i);
        factor(batch.votes_of(i), batch.rows, performance.sensitivity[k], performance.false_negative_rate[k],
               one);
        factor(batch.votes_of(i), batch.rows, performance.false_positive_rate[k], performance.specificity[k],
               zero);
        if (many && (i + 1 == batch.raters || (i + 1) % factors_between_scalings == 0))
            take_exponents(batch.rows, one, zero, posterior.exponent.data());
    }
    if (many) align(batch.rows, one, zero, posterior.exponent.data(), log_likelihood);
    normalise(batch.rows, one, zero, posterior.evidence.data()); // eq. (2), (12), (13)
    for (std::int64_t r = 0; r < batch.rows; ++r)
        log_likelihood[r] += std::log(posterior.evidence[static_cast<std::size_t>(r)]);
}

void log_linear_posterior(const Batch& batch, const Performance& performance, Posterior& posterior) {
    posterior.make_room(batch.rows);
    double* one = posterior.foreground.data();
    double* zero = posterior.background.data();
    for (std::int64_t r = 0; r < batch.rows; ++r) {
        const double prior = batch.prior ? batch.prior[r] : performance.prior;
        one[r] = std::log(prior);
        zero[r] = std::log1p(-prior);
    }
    for (int i = 0; i < batch.raters; ++i) {
        const auto k = static_cast<std::size_t>(i);
        add_weighted(batch.votes_of(i), batch.rows, std::log(performance.sensitivity[k]),
                     std::log(performance.false_negative_rate[k]), one);
        add_weighted(batch.votes_of(i), batch.rows, std::log(performance.false_positive_rate[k]),
                     std::log(performance.specificity[k]), zero);
    }
    for (std::int64_t r = 0; r < batch.rows; ++r) {
        const double larger = std::max(one[r], zero[r]);
        const double log_evidence = larger + std::log1p(std::exp(std::min(one[r], zero[r]) - larger));
        one[r] = std::exp(one[r] - log_evidence);
        zero[r] = std::exp(zero[r] - log_evidence);
        posterior.log_likelihood[static_cast<std::size_t>(r)] = log_evidence;
    }
}

void mean_vote(const Batch& batch, Posterior& posterior) {
    posterior.make_room(batch.rows);
    for (std::int64_t r = 0; r < batch.rows; ++r) {
        double yes = 0, no = 0;
        int raters = 0;
        for (int i = 0; i < batch.raters; ++i) {
            const double q = batch.votes_of(i)[r];
            if (is_missing(q)) continue;
            yes += q;
            no += 1 - q;
            ++raters;
        }
        const auto k = static_cast<std::size_t>(r);
        posterior.foreground[k] = raters == 0 ? 0 : yes / raters;
        posterior.background[k] = raters == 0 ? 1 : no / raters;
        posterior.log_likelihood[k] = 0;
    }
}

} // namespace fastfuse
