#include "em/information.hpp"

#include <cmath>

namespace fastfuse {
namespace {

struct Matrix {
    explicit Matrix(std::size_t n = 0) : size(n), value(n * n) {}
    void add(const Matrix& other) {
        for (std::size_t k = 0; k < value.size(); ++k)
            value[k] += other.value[k];
    }
    std::size_t size;
    std::vector<double> value;
};

struct Slope {
    double score, curvature; // first and negative second derivative of log a in θ
};

Slope mixture(double q, double theta, double complement) {
    const double score = (2 * q - 1) / (q * theta + (1 - q) * complement);
    return {score, score * score};
}

Slope weighted(double q, double theta, double complement) {
    return {q / theta - (1 - q) / complement, q / (theta * theta) + (1 - q) / (complement * complement)};
}

// One thread's share of the rows.
class Observer {
  public:
    Observer(Model model, const Performance& performance, bool with_prior)
        : theta_(performance), slope_(model == Model::log_linear ? weighted : mixture),
          raters_(performance.sensitivity.size()), with_prior_(with_prior),
          expectation_(model, MStep::paper, performance), difference_(size()) {}

    std::size_t size() const { return 2 * raters_ + (with_prior_ ? 1 : 0); }

    Matrix operator()(const Batch& batch, const Worker& worker) {
        Matrix sum(size());
        const Posterior& posterior = expectation_.posterior(batch, worker);
        Pace pace(worker);
        for (std::int64_t row = 0; row < batch.rows; ++row) {
            const auto r = static_cast<std::size_t>(row);
            if (batch.count[row] == 0) continue;
            add(batch, row, posterior.foreground[r], posterior.background[r], sum);
            if (pace.stopped_after(static_cast<std::int64_t>(size() * size()))) break;
        }
        return sum;
    }

  private:
    void add(const Batch& batch, std::int64_t row, double w, double u, Matrix& sum) {
        const double count = batch.count[row];
        const std::size_t n = size();
        for (std::size_t i = 0; i < raters_; ++i) {
            const double q = batch.votes_of(static_cast<int>(i))[row];
            difference_[i] = difference_[raters_ + i] = 0;
            if (is_missing(q)) continue;
            const Slope one = slope_(q, theta_.sensitivity[i], theta_.false_negative_rate[i]);
            const Slope zero = slope_(1 - q, theta_.specificity[i], theta_.false_positive_rate[i]);
            difference_[i] = one.score;
            difference_[raters_ + i] = -zero.score;
            sum.value[i * n + i] += count * w * one.curvature;
            sum.value[(raters_ + i) * n + raters_ + i] += count * u * zero.curvature;
        }
        if (with_prior_) {
            const double one = 1 / theta_.prior, zero = 1 / (1 - theta_.prior);
            difference_[n - 1] = one + zero;
            sum.value[n * n - 1] += count * (w * one * one + u * zero * zero);
        }
        const double doubt = count * w * u;
        for (std::size_t a = 0; a < n; ++a)
            for (std::size_t b = 0; b < n; ++b)
                sum.value[a * n + b] -= doubt * difference_[a] * difference_[b];
    }

    const Performance& theta_;
    Slope (*slope_)(double, double, double);
    std::size_t raters_;
    bool with_prior_;
    BatchExpectation expectation_;
    std::vector<double> difference_; // x_1 − x_0
};

// One thread's share of V: an E-step on each row.
class Scorer {
  public:
    Scorer(Model model, const Performance& performance, bool with_prior, std::shared_ptr<const Nodes> nodes)
        : theta_(performance), with_prior_(with_prior),
          expectation_(model, MStep::em, performance, std::move(nodes)) {}

    Matrix operator()(const Batch& batch, const Worker& worker) {
        const std::size_t n = 2 * theta_.sensitivity.size() + (with_prior_ ? 1 : 0);
        Matrix sum(n);
        Pace pace(worker);
        for (std::int64_t row = 0; row < batch.rows; ++row) {
            if (batch.count[row] == 0) continue;
            const std::vector<double> score = score_of(expectation_(row_of(batch, row), worker));
            for (std::size_t a = 0; a < n; ++a)
                for (std::size_t b = 0; b < n; ++b)
                    sum.value[a * n + b] += score[a] * score[b] / batch.count[row];
            if (pace.stopped_after(static_cast<std::int64_t>(n * n))) break;
        }
        return sum;
    }

  private:
    // c s
    std::vector<double> score_of(const Sums& sums) const {
        std::vector<double> score;
        for (std::size_t i = 0; i < sums.true_positive.size(); ++i)
            score.push_back(sums.true_positive[i] / theta_.sensitivity[i] -
                            sums.false_negative[i] / theta_.false_negative_rate[i]);
        for (std::size_t i = 0; i < sums.true_positive.size(); ++i)
            score.push_back(sums.true_negative[i] / theta_.specificity[i] -
                            sums.false_positive[i] / theta_.false_positive_rate[i]);
        if (with_prior_)
            score.push_back(sums.foreground / theta_.prior - sums.background / (1 - theta_.prior));
        return score;
    }

    const Performance& theta_;
    bool with_prior_;
    BatchExpectation expectation_;
};

double curvature(const BetaPrior& prior, double rate, double complement) {
    return (prior.a - 1) / (rate * rate) + (prior.b - 1) / (complement * complement);
}

} // namespace

std::vector<double> information(const Rows& rows, Model model, const Performance& performance,
                                const Options& options, const Team& team) {
    const std::size_t raters = performance.sensitivity.size();
    const std::size_t n = 2 * raters + (options.estimates_prior() ? 1 : 0);
    Matrix total = sum_over(rows, team, Matrix(n),
                            [&] { return Observer(model, performance, options.estimates_prior()); });
    for (std::size_t i = 0; i < raters; ++i) {
        total.value[i * n + i] += curvature(options.performance_prior.of_sensitivity(i),
                                            performance.sensitivity[i], performance.false_negative_rate[i]);
        total.value[(raters + i) * n + raters + i] +=
            curvature(options.performance_prior.of_specificity(i), performance.specificity[i],
                      performance.false_positive_rate[i]);
    }
    return total.value;
}

std::vector<double> variability(const Rows& rows, Model model, const Performance& performance,
                                bool with_prior, const Team& team) {
    const std::size_t n = 2 * performance.sensitivity.size() + (with_prior ? 1 : 0);
    const auto nodes = nodes_for(model, performance);
    return sum_over(rows, team, Matrix(n), [&] { return Scorer(model, performance, with_prior, nodes); })
        .value;
}

} // namespace fastfuse
