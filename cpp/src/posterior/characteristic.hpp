// soft-STAPLE's expectation without enumeration: any number of fractional votes at a voxel.
//
// Given the performances, the log-odds of a binary pattern B are a sum over the raters, so that their
// characteristic function under the weights q(B) is a product, and w = Σ_B q(B) p(1|B), eq. (9), an integral
// over it: K·f terms in the place of 2^f.
//
//   s_i(1)   log-odds of rater i's vote 1, log θ_i1/(1 − θ_i0)
//   s_i(0)   of his vote 0, log (1 − θ_i1)/θ_i0
//   S        logit π + Σ_i s_i(b_i); σ(S) = 1 / (1 + e^−S) = p(1|B)
//   φ(ω)     E e^{iωS} = e^{iω logit π} Π_i ((1 − q_i) e^{iω s_i(0)} + q_i e^{iω s_i(1)})
//
//   E σ(S)              = ½ + ∫_0^∞ Im φ(ω) / sinh πω dω
//   E log(1 + e^S)      = ½ E S + log 2 + ∫_0^∞ (1 − Re φ(ω)) / (ω sinh πω) dω
//
// The midpoint rule with step h = 2π/P errs by e^−(P − |S|), so P is chosen from the range of S.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "posterior/enumeration.hpp"
#include "posterior/node_sets.hpp"
#include "posterior/product.hpp"
#include "posterior/statistics.hpp"

namespace fastfuse {

// Nodes for one range of S, and what each rater's vote 1 multiplies φ by at them, relative to his vote 0.
struct NodeSet {
    NodeSet(double period, const std::vector<double>& gain);
    const double* cosine(std::size_t rater) const { return turn.data() + 2 * rater * size; }
    const double* sine(std::size_t rater) const { return turn.data() + (2 * rater + 1) * size; }

    double step;                    // h
    std::size_t size;               // K, a whole number of blocks
    std::vector<double> weight;     // h / sinh πω
    std::vector<double> log_weight; // h / (ω sinh πω)
    std::vector<double> turn;       // cos ω gain, then sin ω gain, of each rater
};

// All that depends on the performances alone. Shared by all threads of one E-step.
class Nodes {
  public:
    static constexpr std::size_t block = 64; // nodes that are gone through at a time

    explicit Nodes(const Performance& performance);
    const NodeSet& set(std::size_t number) const; // made when first asked for
    static double count_within(double largest);   // of nodes, about
    std::size_t sets() const { return slots_.size(); }

    std::vector<double> no;    // s_i(0)
    std::vector<double> gain;  // s_i(1) − s_i(0)
    std::vector<double> decay; // e^−|gain|
    std::vector<double> log_false_alarm, log_rejection;

  private:
    struct Slot {
        std::once_flag once;
        std::unique_ptr<NodeSet> nodes;
    };
    mutable std::vector<Slot> slots_;
};

// The rows of a batch, one after another; those that need the same nodes wait for each other, so that a block
// of nodes stays in the cache for all of them. Scratch of one thread.
class RowCharacteristic {
  public:
    // Answers go to `posterior`. With `sums`, adds Σ c E[b_i p(1|B)] and its three companions to them.
    RowCharacteristic(const Batch& batch, const Performance& performance, const Nodes& nodes,
                      Posterior& posterior, Sums* sums);
    // Answers the row, now or later. Returns the terms that were gone through.
    std::int64_t take(std::int64_t row);
    std::int64_t finish(); // answers those that wait

  private:
    // A fractional vote.
    struct Doubt {
        std::size_t rater;
        double vote;
        double gain;
    };
    // E[σ(S)] and its complement, split by a rater's own mark.
    struct Split {
        double true_positive, false_negative, false_positive, true_negative;
    };
    struct Row {
        std::int64_t at = 0;
        std::vector<Doubt> doubts;
        double base = 0;                                        // S if every fractional vote were 0
        double lowest = 0, highest = 0, mean = 0, variance = 0; // of S
        double log_zero = 0;                                    // E log p(B | truth 0), with 1 − π
        double odd = 0, even = 0;               // the two integrals, of log(1 + e^S) the second
        std::vector<double> with_mark, without; // the first with a doubt's vote held at 1, and at 0
    };
    // What all but e^−37 of S lies between; the logarithm of what E σ(S) and E σ(−S) are less than.
    struct Tails {
        double lowest, highest;
        double log_foreground = 0, log_background = 0;
    };
    struct Queue {
        std::vector<Row> rows;
        std::size_t size = 0;
    };

    double vote(std::size_t rater, const Row& row) const {
        return batch_.votes_of(static_cast<int>(rater))[row.at];
    }
    void begin(Row& row, std::int64_t at) const;
    Tails bound_tails(const Row& row);
    std::int64_t expand(const Row& row, bool mirrored);
    std::int64_t saturate(const Row& row, bool marked);
    void wait(std::size_t set, Row& row);
    std::int64_t integrate(std::size_t set);
    void integrate_block(const NodeSet& nodes, std::size_t first, Row& row);
    void split_block(const NodeSet& nodes, std::size_t first, Row& row);
    void answer(const Row& row, double w, double u, double softplus);

    const Batch& batch_;
    const Performance& theta_;
    const Nodes& nodes_;
    Posterior& posterior_;
    Sums* sums_;
    Row row_;
    std::vector<Queue> queues_; // of each set of nodes
    std::vector<Split> split_;  // of each doubt of the row that is answered
    std::vector<double> real_, imaginary_, prefix_, power_, factor_;
};

} // namespace fastfuse
