// Performances in the form that the kernels take, and a bound that tells whether floats can hold the
// products.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "engines/lanes/product.hpp"
#include "posterior/product.hpp"

namespace fastfuse {

template <class T> kernels::Rate<T> rate_of(double yes, double no) {
    return {static_cast<T>(yes < no ? yes : no), static_cast<T>(yes < no ? no - yes : yes - no), yes >= no};
}

template <class T, int most = kernels::most_product_raters>
kernels::RatesOf<T, most> rates_of(const Performance& performance) {
    kernels::RatesOf<T, most> rates{};
    for (std::size_t i = 0; i < performance.sensitivity.size(); ++i) {
        rates.one[i] = rate_of<T>(performance.sensitivity[i], performance.false_negative_rate[i]);
        rates.zero[i] = rate_of<T>(performance.false_positive_rate[i], performance.specificity[i]);
    }
    rates.prior = static_cast<T>(performance.prior);
    rates.prior_complement = static_cast<T>(1 - performance.prior);
    return rates;
}

// The same of the logarithms.
template <class T> kernels::Rates<T> log_rates_of(const Performance& performance) {
    Performance logs(static_cast<int>(performance.sensitivity.size()));
    logs.prior = performance.prior;
    const auto take = [](const std::vector<double>& from, std::vector<double>& to) {
        std::transform(from.begin(), from.end(), to.begin(), [](double rate) { return std::log(rate); });
    };
    take(performance.sensitivity, logs.sensitivity);
    take(performance.false_negative_rate, logs.false_negative_rate);
    take(performance.specificity, logs.specificity);
    take(performance.false_positive_rate, logs.false_positive_rate);
    return rates_of<T>(logs);
}

template <class T> kernels::Rates<T> rates_for(kernels::Step step, const Performance& performance) {
    return step == kernels::Step::logs ? log_rates_of<T>(performance) : rates_of<T>(performance);
}

// Whether 1 is the likelier of a rater's marks where truth is 1, and where it is 0.
inline bool likelier_where_one(const Performance& performance, std::size_t rater) {
    return performance.sensitivity[rater] >= performance.false_negative_rate[rater];
}
inline bool likelier_where_zero(const Performance& performance, std::size_t rater) {
    return performance.false_positive_rate[rater] >= performance.specificity[rater];
}

// Lower bound of max(x, y) for votes in [least_vote, most_vote], and priors and complements ≥ least_prior.
double least_evidence(const Performance& performance, double least_vote, double most_vote,
                      double least_prior);

} // namespace fastfuse
