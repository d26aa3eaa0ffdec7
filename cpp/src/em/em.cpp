#include "em/em.hpp"

#include <algorithm>
#include <cmath>

#include "em/acceleration/squarem.hpp"
#include "posterior/enumeration.hpp"
#include "support/dot.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

FASTFUSE_CLONES void see_votes(const double* count, const double* vote, std::int64_t n, double* yes,
                               double* no) {
    for (std::int64_t r = 0; r < n; ++r) {
        yes[r] = count[r] * vote[r];
        no[r] = count[r] * (1 - vote[r]);
    }
}

// p(mark | vote q, truth). `mark` and `no_mark`: p(mark 1 | truth) and p(mark 0 | truth).
FASTFUSE_CLONES void see_marks(const double* count, const double* vote, double mark, double no_mark,
                               std::int64_t n, double* yes, double* no) {
    for (std::int64_t r = 0; r < n; ++r) {
        const double one = vote[r] * mark;
        const double zero = (1 - vote[r]) * no_mark;
        const double weight = count[r] / (one + zero);
        yes[r] = weight * one;
        no[r] = weight * zero;
    }
}

// Sets both weights of a missing vote to 0.
FASTFUSE_CLONES void forget_missing(const double* vote, std::int64_t n, double* yes, double* no) {
    for (std::int64_t r = 0; r < n; ++r) {
        yes[r] = vote[r] < 0 ? 0 : yes[r];
        no[r] = vote[r] < 0 ? 0 : no[r];
    }
}

FASTFUSE_CLONES void see_moments(const double* mass, const double* moment, std::int64_t n, double* yes,
                                 double* no) {
    for (std::int64_t r = 0; r < n; ++r) {
        yes[r] = moment[r];
        no[r] = std::max(mass[r] - moment[r], 0.0);
    }
}

void gather_rater(const Batch& batch, std::size_t i, const Posterior& posterior, MStep m_step,
                  const Performance& performance, SeenVotes& seen, Sums& sums) {
    const std::int64_t n = batch.rows;
    seen.make_room(n);
    const double* vote = batch.votes_of(static_cast<int>(i));
    const double* w = posterior.foreground.data();
    const double* u = posterior.background.data();
    double* yes = seen.yes.data();
    double* no = seen.no.data();
    const bool marks = m_step == MStep::em;
    if (marks)
        see_marks(batch.count, vote, performance.sensitivity[i], performance.false_negative_rate[i], n, yes,
                  no);
    else if (batch.moment)
        see_moments(batch.count, batch.moment + static_cast<std::int64_t>(i) * batch.moment_stride, n, yes,
                    no);
    else
        see_votes(batch.count, vote, n, yes, no);
    if (batch.may_miss) forget_missing(vote, n, yes, no);
    sums.true_positive[i] += dot(w, yes, n);
    sums.false_negative[i] += dot(w, no, n);
    if (marks) {
        see_marks(batch.count, vote, performance.false_positive_rate[i], performance.specificity[i], n, yes,
                  no);
        if (batch.may_miss) forget_missing(vote, n, yes, no);
    }
    sums.false_positive[i] += dot(u, yes, n);
    sums.true_negative[i] += dot(u, no, n);
}

void add_truths(const Batch& batch, const Posterior& posterior, Sums& sums) {
    sums.foreground += dot(batch.count, posterior.foreground.data(), batch.rows);
    sums.background += dot(batch.count, posterior.background.data(), batch.rows);
}

// Sets the rate to part / (part + rest), after the prior's counts are added to both, and its complement.
// Leaves both as they are where the sum is not positive.
void update(double part, double rest, const BetaPrior& prior, double& rate, double& complement) {
    part += prior.a - 1;
    rest += prior.b - 1;
    if (!(part + rest > 0)) return;
    rate = std::clamp(part / (part + rest), epsilon, 1 - epsilon);
    complement = std::clamp(rest / (part + rest), epsilon, 1 - epsilon);
}

bool is_soft(Model model) {
    return model == Model::enumerated || model == Model::characteristic || model == Model::cheaper;
}

double largest_move(const std::vector<double>& a, const std::vector<double>& b) {
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        most = std::max(most, std::abs(a[i] - b[i]));
    return most;
}

} // namespace

void SeenVotes::make_room(std::int64_t rows) {
    const auto size = static_cast<std::size_t>(rows);
    if (yes.size() >= size) return;
    yes.resize(size);
    no.resize(size);
}

std::shared_ptr<const Nodes> nodes_for(Model model, const Performance& performance) {
    if (model != Model::characteristic && model != Model::cheaper) return nullptr;
    return std::make_shared<const Nodes>(performance);
}

BatchExpectation::BatchExpectation(Model model, MStep m_step, const Performance& performance,
                                   std::shared_ptr<const Nodes> nodes)
    : model_(model),
      m_step_(model == Model::log_linear ? MStep::paper : m_step), // the paper's M-step is its maximiser
      performance_(performance), nodes_(std::move(nodes)) {}

void BatchExpectation::find_posterior(const Batch& batch, Sums* sums_by_terms, const Worker& worker) {
    switch (model_) {
    case Model::mean_vote: return mean_vote(batch, posterior_);
    case Model::product: return product_posterior(batch, performance_, posterior_);
    case Model::log_linear: return log_linear_posterior(batch, performance_, posterior_);
    case Model::enumerated:
    case Model::characteristic:
    case Model::cheaper:
        return soft_posterior(batch, performance_, model_, nodes_.get(), posterior_, sums_by_terms, worker);
    }
}

const Posterior& BatchExpectation::posterior(const Batch& batch, const Worker& worker) {
    find_posterior(batch, nullptr, worker);
    return posterior_;
}

Sums BatchExpectation::operator()(const Batch& batch, const Worker& worker) {
    Sums sums(batch.raters);
    const bool by_terms = is_soft(model_) && m_step_ == MStep::em;
    find_posterior(batch, by_terms ? &sums : nullptr, worker);
    for (std::int64_t r = 0; r < batch.rows; ++r)
        sums.count += batch.count[r];
    sums.log_likelihood = dot(batch.count, posterior_.log_likelihood.data(), batch.rows);
    add_truths(batch, posterior_, sums);
    for (std::size_t i = 0; i < sums.true_positive.size() && !by_terms; ++i)
        gather_rater(batch, i, posterior_, m_step_, performance_, seen_, sums);
    return sums;
}

Sums weighted_sums(const Batch& batch, const Posterior& weights, MStep m_step,
                   const Performance& performance) {
    Sums sums(batch.raters);
    SeenVotes seen;
    add_truths(batch, weights, sums);
    for (std::size_t i = 0; i < sums.true_positive.size(); ++i)
        gather_rater(batch, i, weights, m_step, performance, seen, sums);
    return sums;
}

Sums expectation(const Rows& rows, Model model, MStep m_step, const Performance& performance,
                 const Team& team) {
    const auto nodes = nodes_for(model, performance);
    return sum_over(rows, team, Sums(rows.raters()),
                    [&] { return BatchExpectation(model, m_step, performance, nodes); });
}

double move(const Performance& from, const Performance& to) {
    return std::max(largest_move(from.sensitivity, to.sensitivity),
                    largest_move(from.specificity, to.specificity));
}

Performance next(const Sums& sums, const Performance& theta, const Options& options) {
    Performance after = maximise(sums, theta, options.performance_prior); // eq. (5)
    if (options.estimates_prior())
        after.prior = std::clamp(sums.foreground / sums.count, epsilon, 1 - epsilon);
    return after;
}

// Votes on voxels of known truth add to the sums of every M-step, as a Beta prior's counts do.
BetaPrior PerformancePrior::of_sensitivity(std::size_t rater) const {
    if (rater >= known.size()) return sensitivity;
    return {sensitivity.a + known[rater].true_positive, sensitivity.b + known[rater].false_negative};
}

BetaPrior PerformancePrior::of_specificity(std::size_t rater) const {
    if (rater >= known.size()) return specificity;
    return {specificity.a + known[rater].true_negative, specificity.b + known[rater].false_positive};
}

Performance maximise(const Sums& sums, const Performance& before, const PerformancePrior& prior) {
    Performance after = before;
    for (std::size_t i = 0; i < sums.true_positive.size(); ++i) { // eq. (5)
        update(sums.true_positive[i], sums.false_negative[i], prior.of_sensitivity(i), after.sensitivity[i],
               after.false_negative_rate[i]);
        update(sums.true_negative[i], sums.false_positive[i], prior.of_specificity(i), after.specificity[i],
               after.false_positive_rate[i]);
    }
    return after;
}

namespace {

// Of a Beta prior, without its constant.
double log_density(const BetaPrior& prior, double rate, double complement) {
    return (prior.a - 1) * std::log(rate) + (prior.b - 1) * std::log(complement);
}

} // namespace

double log_prior(const Performance& theta, const PerformancePrior& prior) {
    double sum = 0;
    for (std::size_t i = 0; i < theta.sensitivity.size(); ++i)
        sum += log_density(prior.of_sensitivity(i), theta.sensitivity[i], theta.false_negative_rate[i]) +
               log_density(prior.of_specificity(i), theta.specificity[i], theta.false_positive_rate[i]);
    return sum;
}

namespace {

// One run of EM.
class Iteration {
  public:
    Iteration(const EStep& expectation, const Options& options, const Performance& performance)
        : expectation_(expectation), options_(options), theta_(performance), estimate_(begun(options)) {}

    Estimate run(const std::optional<Sums>& start) {
        sums_ = start ? *start : expectation_(theta_);
        if (start && goes_on()) step(); // no test of convergence: `start` belongs to no θ
        while (goes_on())
            estimate_.converged =
                options_.acceleration == Acceleration::squarem ? accelerated_steps() : step();
        estimate_.performance = std::move(theta_);
        return std::move(estimate_);
    }

  private:
    bool goes_on() const { return !estimate_.converged && estimate_.iterations < options_.max_iter; }

    Performance next() const { return fastfuse::next(sums_, theta_, options_); }

    void go_to(Performance theta, Sums sums) {
        theta_ = std::move(theta);
        sums_ = std::move(sums);
        estimate_.log_likelihood.push_back(sums_.log_likelihood);
        ++estimate_.iterations;
    }

    // E-step: eq. (2), (9), (12), (13)
    void go_to(const Performance& theta) { go_to(theta, expectation_(theta)); }

    // Returns whether θ has converged.
    bool step() {
        const Performance after = next();
        const double moved = move(theta_, after);
        go_to(after);
        return moved <= options_.tol;
    }

    // Two steps, then an extrapolation from their difference: SQUAREM, scheme S3, Varadhan, Roland,
    // Scandinavian Journal of Statistics 35, 2008. Returns whether θ has converged.
    bool accelerated_steps() {
        const Performance first = theta_;
        if (step()) return true;
        if (!goes_on()) return false;
        const Performance third = next();
        const double moved = move(theta_, third);
        if (moved > options_.tol) {
            const Performance beyond = extrapolate(first, theta_, third, options_.estimates_prior());
            Sums sums = expectation_(beyond);
            if (keeps(beyond, sums, moved)) {
                go_to(beyond, std::move(sums));
                return false;
            }
        }
        go_to(third);
        return moved <= options_.tol;
    }

    // Whether to keep the extrapolation. With the EM M-step, the likelihood must not fall. The paper's M-step
    // need not raise the likelihood: there, the next step must be no larger than this one.
    bool keeps(const Performance& beyond, const Sums& sums, double moved) const {
        if (options_.m_step == MStep::em)
            return sums.log_likelihood + log_prior(beyond, options_.performance_prior) >=
                   sums_.log_likelihood + log_prior(theta_, options_.performance_prior);
        return move(beyond, fastfuse::next(sums, beyond, options_)) <= moved;
    }

    const EStep& expectation_;
    const Options& options_;
    Performance theta_;
    Sums sums_; // of an E-step with θ
    Estimate estimate_;
};

} // namespace

Estimate begun(const Options& options) {
    Estimate estimate;
    estimate.method = options.method;
    estimate.m_step = options.m_step;
    estimate.likelihood = options.likelihood;
    estimate.expectation = options.expectation;
    return estimate;
}

Estimate em(const EStep& expectation, const Options& options, const Performance& performance,
            const std::optional<Sums>& start) {
    return Iteration(expectation, options, performance).run(start);
}

} // namespace fastfuse
