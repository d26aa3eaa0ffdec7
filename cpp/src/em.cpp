#include "fastfuse/em.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "fastfuse/enumerate.hpp"
#include "fastfuse/simd.hpp"

namespace fastfuse {
namespace {

// Eight running sums, so that the order of additions is one for every instruction set.
FASTFUSE_CLONES double dot(const double* a, const double* b, std::int64_t n) {
    std::array<double, 8> lane{};
    std::int64_t r = 0;
    for (; r + 8 <= n; r += 8)
        for (std::int64_t k = 0; k < 8; ++k)
            lane[static_cast<std::size_t>(k)] += a[r + k] * b[r + k];
    for (; r < n; ++r)
        lane[static_cast<std::size_t>(r % 8)] += a[r] * b[r];
    double sum = 0;
    for (const double part : lane)
        sum += part;
    return sum;
}

FASTFUSE_CLONES void see_votes(const double* count, const double* vote, std::int64_t n, double* yes,
                               double* no) {
    for (std::int64_t r = 0; r < n; ++r) {
        yes[r] = count[r] * vote[r];
        no[r] = count[r] * (1 - vote[r]);
    }
}

// How probable the rater's own mark is, given his vote q and the truth: marks have probability `mark` there.
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
    const double* vote = batch.votes_of(static_cast<int>(i));
    const double* w = posterior.foreground.data();
    const double* u = posterior.background.data();
    double* yes = seen.yes.data();
    double* no = seen.no.data();
    const bool marks = m_step == MStep::em;
    if (marks)
        see_marks(batch.count, vote, performance.sensitivity[i], performance.miss_rate[i], n, yes, no);
    else if (batch.moment)
        see_moments(batch.count, batch.moment + static_cast<std::int64_t>(i) * batch.moment_stride, n, yes,
                    no);
    else
        see_votes(batch.count, vote, n, yes, no);
    sums.hit[i] += dot(w, yes, n);
    sums.miss[i] += dot(w, no, n);
    if (marks)
        see_marks(batch.count, vote, performance.false_alarm_rate[i], performance.specificity[i], n, yes, no);
    sums.false_alarm[i] += dot(u, yes, n);
    sums.rejection[i] += dot(u, no, n);
}

// part / (part + rest) and its complement; as before where nothing determines them.
void update(double part, double rest, double& rate, double& complement) {
    if (!(part + rest > 0)) return;
    rate = std::clamp(part / (part + rest), epsilon, 1 - epsilon);
    complement = std::clamp(rest / (part + rest), epsilon, 1 - epsilon);
}

double largest_move(const std::vector<double>& a, const std::vector<double>& b) {
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        most = std::max(most, std::abs(a[i] - b[i]));
    return most;
}

} // namespace

void Expectation::find_posterior(const Batch& batch, Sums* sums_by_terms, const Worker& worker) {
    switch (model_) {
    case Model::mean_vote: return mean_vote(batch, posterior_);
    case Model::product: return product_posterior(batch, performance_, posterior_);
    case Model::enumerated:
        return enumerated_posterior(batch, performance_, posterior_, sums_by_terms, worker);
    }
}

const Posterior& Expectation::posterior(const Batch& batch, const Worker& worker) {
    find_posterior(batch, nullptr, worker);
    return posterior_;
}

Sums Expectation::operator()(const Batch& batch, const Worker& worker) {
    Sums sums(batch.raters);
    const bool by_terms = model_ == Model::enumerated && m_step_ == MStep::em;
    find_posterior(batch, by_terms ? &sums : nullptr, worker);
    for (std::int64_t r = 0; r < batch.rows; ++r)
        sums.count += batch.count[r];
    sums.foreground = dot(batch.count, posterior_.foreground.data(), batch.rows);
    sums.background = dot(batch.count, posterior_.background.data(), batch.rows);
    sums.log_likelihood = dot(batch.count, posterior_.log_likelihood.data(), batch.rows);
    for (std::size_t i = 0; i < sums.hit.size() && !by_terms; ++i)
        gather_rater(batch, i, posterior_, m_step_, performance_, seen_, sums);
    return sums;
}

Sums expectation(const Rows& rows, Model model, MStep m_step, const Performance& performance,
                 const Team& team) {
    return sum_over(rows, team, Sums(rows.raters()), [&] { return Expectation(model, m_step, performance); });
}

Performance maximise(const Sums& sums, const Performance& before) {
    Performance after = before;
    for (std::size_t i = 0; i < sums.hit.size(); ++i) { // eq. (5)
        update(sums.hit[i], sums.miss[i], after.sensitivity[i], after.miss_rate[i]);
        update(sums.rejection[i], sums.false_alarm[i], after.specificity[i], after.false_alarm_rate[i]);
    }
    return after;
}

Estimate em(const Rows& rows, Model model, const EmOptions& options, const Performance& performance,
            const std::optional<Sums>& start, const Team& team) {
    Estimate estimate;
    Performance theta = performance;
    Sums sums = start ? *start : expectation(rows, model, options.m_step, theta, team);
    while (!estimate.converged && estimate.iterations < options.max_iterations) {
        Performance next = maximise(sums, theta); // M-step: eq. (5)
        if (options.estimate_prior)
            next.prior = std::clamp(sums.foreground / sums.count, epsilon, 1 - epsilon);
        sums = expectation(rows, model, options.m_step, next, team); // E-step: eq. (2), (9), (12), (13)
        estimate.log_likelihood.push_back(sums.log_likelihood);
        const bool compares = ++estimate.iterations > 1 || !start;
        estimate.converged = compares &&
                             largest_move(next.sensitivity, theta.sensitivity) <= options.tolerance &&
                             largest_move(next.specificity, theta.specificity) <= options.tolerance;
        theta = std::move(next);
    }
    estimate.performance = std::move(theta);
    return estimate;
}

} // namespace fastfuse
