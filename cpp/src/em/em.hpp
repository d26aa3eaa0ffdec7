// Expectation and maximisation over weighted rows: the one loop that all algorithms share.
//
//   c            voxels of a row                         w      p(truth 1 | votes) of a row
//   v_i1, v_i0   vote of rater i as the M-step sees it, where truth is 1 and where it is 0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "fastfuse/threads.hpp"
#include "posterior/model.hpp"
#include "posterior/product.hpp"
#include "posterior/soft.hpp"
#include "posterior/statistics.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// c v and c (1 − v) of every row of a batch, v a rater's vote as the M-step sees it. As long as the longest
// batch so far.
struct SeenVotes {
    void make_room(std::int64_t rows);
    RawVector<double> yes, no;
};

// One thread's E-step of a batch.
class BatchExpectation {
  public:
    BatchExpectation(Model model, MStep m_step, const Performance& performance,
                     std::shared_ptr<const Nodes> nodes = nullptr);

    Sums operator()(const Batch& batch, const Worker& worker);
    // w of each row, without the sums.
    const Posterior& posterior(const Batch& batch, const Worker& worker);
    const Posterior& last() const { return posterior_; }

  private:
    void find_posterior(const Batch& batch, Sums* sums_by_terms, const Worker& worker);

    Model model_;
    MStep m_step_;
    const Performance& performance_;
    std::shared_ptr<const Nodes> nodes_; // of the characteristic function, where the model needs them
    Posterior posterior_;
    SeenVotes seen_;
};

// Nodes that all threads share in one E-step; null where the model needs none.
std::shared_ptr<const Nodes> nodes_for(Model model, const Performance& performance);

// Sums of an E-step with given w and 1 − w, without count and likelihood.
Sums weighted_sums(const Batch& batch, const Posterior& weights, MStep m_step,
                   const Performance& performance);

// E-step over all rows. The same bits for every team.
Sums expectation(const Rows& rows, Model model, MStep m_step, const Performance& performance,
                 const Team& team);

// θ_i1 = TP / (TP + FN), θ_i0 = TN / (TN + FP), eq. (5). With Beta priors the maximum a posteriori,
// (TP + a − 1) / (TP + FN + a + b − 2): Commowick, Warfield, MICCAI 2010.
Performance maximise(const Sums& sums, const Performance& before, const PerformancePrior& prior = {});

// The M-step, and the prior where it is estimated.
Performance next(const Sums& sums, const Performance& theta, const Options& options);

// The largest difference of a sensitivity or specificity.
double move(const Performance& from, const Performance& to);

// Log-density of all rates, without its constant; 0 for flat priors.
double log_prior(const Performance& theta, const PerformancePrior& prior);

// An estimate that holds the options of its method, and no rates yet.
Estimate begun(const Options& options);

// Sums of an E-step with these parameters.
using EStep = std::function<Sums(const Performance& performance)>;

// Starts from `start`, the sums of an earlier E-step such as that of the mean vote. Without it, starts with
// an E-step that uses `performance`.
Estimate em(const EStep& expectation, const Options& options, const Performance& performance,
            const std::optional<Sums>& start);

// `fit` of the methods whose truth has two classes.
Estimate fit_rates(const VoteTable& table, const std::vector<double>& counts, const Options& options,
                   const Performance& start, const ShouldStop& ask);

} // namespace fastfuse
