#include "fastfuse/posterior.hpp"

#include <algorithm>
#include <cmath>

#include "fastfuse/simd.hpp"

namespace fastfuse {
namespace {

// a_i1 or a_i0 of every row, multiplied into the product. eq. (10)
FASTFUSE_CLONES void multiply(const double* vote, std::int64_t rows, double yes, double no, double* product) {
    for (std::int64_t r = 0; r < rows; ++r)
        product[r] *= vote[r] * yes + (1 - vote[r]) * no;
}

FASTFUSE_CLONES void scale(std::int64_t rows, double* one, double* zero, double* factor) {
    for (std::int64_t r = 0; r < rows; ++r) {
        factor[r] = std::max(one[r], zero[r]);
        one[r] /= factor[r];
        zero[r] /= factor[r];
    }
}

FASTFUSE_CLONES void normalise(std::int64_t rows, double* one, double* zero, double* evidence) {
    for (std::int64_t r = 0; r < rows; ++r) {
        evidence[r] = one[r] + zero[r];
        one[r] /= evidence[r];
        zero[r] /= evidence[r];
    }
}

void add_logs(const std::vector<double>& factor, std::int64_t rows, double* sum) {
    for (std::int64_t r = 0; r < rows; ++r)
        sum[r] += std::log(factor[static_cast<std::size_t>(r)]);
}

} // namespace

Performance::Performance(int raters, double theta)
    : sensitivity(static_cast<std::size_t>(raters), theta), miss_rate(sensitivity.size(), 1 - theta),
      specificity(sensitivity.size(), theta), false_alarm_rate(sensitivity.size(), 1 - theta) {}

void product_posterior(const Batch& batch, const Performance& performance, Posterior& posterior) {
    double* one = posterior.foreground.data();
    double* zero = posterior.background.data();
    double* log_likelihood = posterior.log_likelihood.data();
    for (std::int64_t r = 0; r < batch.rows; ++r) {
        one[r] = batch.prior ? batch.prior[r] : performance.prior;
        zero[r] = 1 - one[r];
        log_likelihood[r] = 0;
    }
    std::vector<double>& factor = posterior.factor;
    for (int i = 0; i < batch.raters; ++i) {
        const auto k = static_cast<std::size_t>(i);
        multiply(batch.votes_of(i), batch.rows, performance.sensitivity[k], performance.miss_rate[k], one);
        multiply(batch.votes_of(i), batch.rows, performance.false_alarm_rate[k], performance.specificity[k],
                 zero);
        if ((i + 1) % factors_between_scalings == 0) {
            scale(batch.rows, one, zero, factor.data());
            add_logs(factor, batch.rows, log_likelihood);
        }
    }
    normalise(batch.rows, one, zero, factor.data()); // eq. (2), (12), (13)
    add_logs(factor, batch.rows, log_likelihood);
}

void mean_vote(const Batch& batch, Posterior& posterior) {
    for (std::int64_t r = 0; r < batch.rows; ++r) {
        double yes = 0, no = 0;
        for (int i = 0; i < batch.raters; ++i) {
            yes += batch.votes_of(i)[r];
            no += 1 - batch.votes_of(i)[r];
        }
        const auto k = static_cast<std::size_t>(r);
        posterior.foreground[k] = yes / batch.raters;
        posterior.background[k] = no / batch.raters;
        posterior.log_likelihood[k] = 0;
    }
}

} // namespace fastfuse
