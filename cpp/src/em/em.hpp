// Expectation and maximisation over weighted rows: the one loop that all algorithms share.
//
//   c            voxels of a row                         w      p(truth 1 | votes) of a row
//   v_i1, v_i0   vote of rater i as the M-step sees it, where truth is 1 and where it is 0
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "fastfuse/threads.hpp"
#include "posterior/model.hpp"
#include "posterior/product.hpp"
#include "posterior/soft.hpp"
#include "posterior/statistics.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

enum class MStep {
    paper, // v_i1 = v_i0 = q_i: eq. (5) as printed
    em,    // v_i1 = q_i θ_i1 / a_i1, v_i0 = q_i (1 − θ_i0) / a_i0: the true maximiser
};

// p(rate) of a Beta distribution, ∝ rate^(a − 1) (1 − rate)^(b − 1); a = b = 1 says nothing.
struct BetaPrior {
    double a = 1, b = 1;
};

// c times a rater's vote as the M-step sees it, and c times its complement, in every row of a batch.
struct SeenVotes {
    SeenVotes() : yes(batch_rows), no(batch_rows) {}
    std::vector<double> yes, no;
};

// One thread's E-step of a batch.
class Expectation {
  public:
    Expectation(Model model, MStep m_step, const Performance& performance,
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

// What the expectations of all threads share in one E-step; nothing where the model needs nothing.
std::shared_ptr<const Nodes> nodes_for(Model model, const Performance& performance);

// E-step over all rows. The same bits for every team.
Sums expectation(const Rows& rows, Model model, MStep m_step, const Performance& performance,
                 const Team& team);

// θ_i1 = hit / (hit + miss), θ_i0 = rejection / (rejection + false alarm), eq. (5); with Beta priors the
// maximum a posteriori, (hit + a − 1) / (hit + miss + a + b − 2): Commowick, Warfield, MICCAI 2010.
Performance maximise(const Sums& sums, const Performance& before, const BetaPrior& sensitivity = {},
                     const BetaPrior& specificity = {});

struct EmOptions {
    MStep m_step = MStep::paper;
    bool estimate_prior = false; // π = Σ c w / Σ c after every E-step
    double tolerance = 1e-7;     // stop when no sensitivity or specificity moves by more
    int max_iterations = 1000;   // M-steps at most, at least 1
    BetaPrior sensitivity, specificity;
    bool accelerate = false; // extrapolate every two steps: the same fixed point in fewer
};

struct Estimate {
    Performance performance;
    std::vector<double> log_likelihood; // after each M-step or extrapolation that was kept
    int iterations = 0;                 // as many
    bool converged = false;
};

// Sums of an E-step with these parameters.
using EStep = std::function<Sums(const Performance& performance)>;

// From `start` (sums of an E-step made elsewhere, such as that of the mean vote) or, without it, from an
// E-step with `performance`.
Estimate em(const EStep& expectation, const EmOptions& options, const Performance& performance,
            const std::optional<Sums>& start);

} // namespace fastfuse
