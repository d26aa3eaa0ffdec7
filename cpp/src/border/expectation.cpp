#include "border/expectation.hpp"

#include <algorithm>
#include <memory>

#include "posterior/normalise.hpp"
#include "support/simd.hpp"
#include "support/sum_over_jobs.hpp"

namespace fastfuse::border {
namespace {

FASTFUSE_CLONES void add(double* to, const double* from, double times) {
    for (std::size_t g = 0; g < border_levels; ++g)
        to[g] += times * from[g];
}

// One thread's E-step of batches.
class BatchExpectation {
  public:
    BatchExpectation(const Rows& rows, const Responsibility& responsibility, const Levels& tau,
                     Consensus& consensus)
        : raters_(static_cast<std::size_t>(rows.raters())), reader_(rows.reader()),
          responsibility_(responsibility), tau_(tau), consensus_(consensus) {}

    Sums operator()(std::int64_t index, const Worker& worker) {
        const Batch batch = reader_->read(index);
        std::vector<double>& w = consensus_[static_cast<std::size_t>(index)];
        w.resize(static_cast<std::size_t>(batch.rows));
        Sums sums(raters_);
        Pace pace(worker);
        for (std::int64_t row = 0; row < batch.rows; ++row) {
            if (pace.stopped_after(batch.raters + 8)) break;
            see(batch, row, w[static_cast<std::size_t>(row)], sums);
        }
        return sums;
    }

  private:
    void see(const Batch& batch, std::int64_t row, double& w, Sums& sums) const {
        const double count = batch.count[row];
        Levels r;
        const double log_likelihood = responsibility_.of(batch, row, r);
        const double before = w;
        w = dot(r, tau_);
        if (count == 0) return;
        sums.moved = std::max(sums.moved, std::abs(w - before));
        sums.log_likelihood += count * log_likelihood;
        for (double& one : r)
            one *= count;
        add(sums.held.data(), r.data(), 1);
        for (std::size_t i = 0; i < raters_; ++i) {
            const double q = batch.votes_of(static_cast<int>(i))[row];
            if (is_missing(q)) continue;
            if (q > 0) add(sums.marks[i].data(), r.data(), q);
            if (q < 1) add(sums.empty[i].data(), r.data(), 1 - q);
        }
    }

    std::size_t raters_;
    std::unique_ptr<BatchReader> reader_;
    const Responsibility& responsibility_;
    const Levels& tau_;
    Consensus& consensus_;
};

} // namespace

void Sums::add(const Sums& other) {
    for (std::size_t i = 0; i < marks.size(); ++i) {
        border::add(marks[i].data(), other.marks[i].data(), 1);
        border::add(empty[i].data(), other.empty[i].data(), 1);
    }
    border::add(held.data(), other.held.data(), 1);
    log_likelihood += other.log_likelihood;
    moved = std::max(moved, other.moved);
}

Responsibility::Responsibility(const std::vector<Curve>& curves, const Levels& weights) : curves_(curves) {
    for (std::size_t g = 0; g < border_levels; ++g)
        log_weights_[g] = std::log(weights[g]);
}

double Responsibility::of(const Batch& batch, std::int64_t row, Levels& r) const {
    log_of(batch, row, r);
    return normalise(r);
}

void Responsibility::log_of(const Batch& batch, std::int64_t row, Levels& r) const {
    r = log_weights_;
    for (std::size_t i = 0; i < curves_.size(); ++i) {
        const double q = batch.votes_of(static_cast<int>(i))[row];
        if (!curves_[i].heard || is_missing(q)) continue;
        if (q > 0) add(r.data(), curves_[i].log_mark.data(), q);
        if (q < 1) add(r.data(), curves_[i].log_no_mark.data(), 1 - q);
    }
}

void Responsibility::of_no_mark(Levels& r) const {
    r = log_weights_;
    for (const Curve& curve : curves_)
        if (curve.heard) add(r.data(), curve.log_no_mark.data(), 1);
    normalise(r);
}

double dot(const Levels& a, const Levels& b) {
    double sum = 0;
    for (std::size_t g = 0; g < border_levels; ++g)
        sum += a[g] * b[g];
    return sum;
}

Levels consensus_at(double scale, double anchor) {
    Levels tau;
    for (std::size_t g = 0; g < border_levels; ++g)
        tau[g] = logistic(scale * level(g) - anchor);
    return tau;
}

Sums expectation(const Rows& rows, const Parameters& parameters, const Levels& tau, Consensus& consensus,
                 const Team& team) {
    const std::vector<Curve> curves = curves_of(parameters);
    const Responsibility responsibility(curves, parameters.weights);
    consensus.resize(static_cast<std::size_t>(rows.batches()));
    return sum_over_jobs(rows.batches(), team, Sums(parameters.raters()),
                         [&] { return BatchExpectation(rows, responsibility, tau, consensus); });
}

} // namespace fastfuse::border
