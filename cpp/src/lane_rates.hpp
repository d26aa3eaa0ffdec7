// Every rater's performance as the lanes' kernels take it, and whether floats can hold its products.
#pragma once

#include "fastfuse/posterior.hpp"
#include "kernels/product.hpp"

namespace fastfuse {

template <class T> kernels::Rates<T> rates_of(const Performance& performance) {
    kernels::Rates<T> rates;
    for (std::size_t i = 0; i < performance.sensitivity.size(); ++i) {
        rates.sensitivity[i] = static_cast<T>(performance.sensitivity[i]);
        rates.miss_rate[i] = static_cast<T>(performance.miss_rate[i]);
        rates.specificity[i] = static_cast<T>(performance.specificity[i]);
        rates.false_alarm_rate[i] = static_cast<T>(performance.false_alarm_rate[i]);
    }
    rates.prior = static_cast<T>(performance.prior);
    rates.prior_complement = static_cast<T>(1 - performance.prior);
    return rates;
}

// How small the larger of x and y can be, of votes and priors in these ranges (a prior, or its complement).
double least_evidence(const Performance& performance, double least_vote, double most_vote,
                      double least_prior);

} // namespace fastfuse
