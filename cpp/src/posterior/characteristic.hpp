// soft-STAPLE's expectation without enumeration, for any number of fractional votes at a voxel.
//
// Given the performances, the log-odds of a binary pattern B are a sum over the raters. Their characteristic
// function under the weights q(B) is then a product over raters, and w = Σ_B q(B) p(1|B), eq. (9), is an
// integral over it: K·f terms instead of 2^f.
//
//   s_i(1)   log-odds of rater i's vote 1, log θ_i1/(1 − θ_i0)
//   s_i(0)   log-odds of rater i's vote 0, log (1 − θ_i1)/θ_i0
//   S        logit π + Σ_i s_i(b_i); σ(S) = 1 / (1 + e^−S) = p(1|B)
//   φ(ω)     E e^{iωS} = e^{iω logit π} Π_i ((1 − q_i) e^{iω s_i(0)} + q_i e^{iω s_i(1)})
//
//   E σ(S)              = ½ + ∫_0^∞ Im φ(ω) / sinh πω dω
//   E log(1 + e^S)      = ½ E S + log 2 + ∫_0^∞ (1 − Re φ(ω)) / (ω sinh πω) dω
//
// The midpoint rule with step h = 2π/P has the error e^−(P − |S|), so P is chosen from the range of S.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "posterior/bounds.hpp"
#include "posterior/enumeration.hpp"
#include "posterior/node_sets.hpp"
#include "posterior/product.hpp"
#include "posterior/statistics.hpp"

namespace fastfuse {

// Nodes for one range of S, with e^{iω gain} of each rater: the ratio of the factors of φ for a vote 1 and a
// vote 0.
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

// Tables that depend on the performances alone. Shared by all threads of one E-step.
class Nodes {
  public:
    static constexpr std::size_t block = 64; // nodes of one loop

    explicit Nodes(const Performance& performance);
    const NodeSet& set(std::size_t number) const; // made on first use
    static double count_within(double largest);   // number of nodes for |S| ≤ largest
    std::size_t sets() const { return slots_.size(); }

    std::vector<double> no;    // s_i(0)
    std::vector<double> gain;  // s_i(1) − s_i(0)
    std::vector<double> decay; // e^−|gain|
    std::vector<double> log_false_positive, log_true_negative;

  private:
    struct Slot {
        std::once_flag once;
        std::unique_ptr<NodeSet> nodes;
    };
    mutable std::vector<Slot> slots_;
};

// Computes the rows of a batch one by one. Rows that need the same nodes are collected first, so that a block
// of nodes stays in the cache for all of them. Scratch of one thread.
class RowCharacteristic {
  public:
    // Writes the results to `posterior`. With `sums`, also adds Σ c E[b_i p(1|B)] and the other three counts
    // of the M-step to it.
    RowCharacteristic(const Batch& batch, const Performance& performance, const Nodes& nodes,
                      Posterior& posterior, Sums* sums);
    // Computes the row, or queues it. Returns the number of terms computed.
    std::int64_t take(std::int64_t row);
    std::int64_t finish(); // computes the queued rows

  private:
    // A fractional vote.
    struct Doubt {
        std::size_t rater;
        double vote;
        double gain;
    };
    struct Row : LogOdds {
        std::int64_t at = 0;
        std::vector<Doubt> doubts;
        double log_zero = 0;                    // E log p(B | truth 0), with 1 − π
        double odd = 0, even = 0;               // integrals of E σ(S) and of E log(1 + e^S)
        std::vector<double> with_mark, without; // the first integral with a doubt's vote held at 1, and at 0
    };
    struct Queue {
        std::vector<Row> rows;
        std::size_t size = 0;
    };

    double vote(std::size_t rater, const Row& row) const {
        return batch_.votes_of(static_cast<int>(rater))[row.at];
    }
    void begin(Row& row, std::int64_t at) const;
    std::int64_t expand(const Row& row, bool mirrored);
    double series_term(const std::vector<Doubt>& doubts, double term, bool mirrored);
    void split_series(const std::vector<Doubt>& doubts, bool mirrored);
    std::int64_t saturate(const Row& row, bool marked);
    void wait(std::size_t set, Row& row);
    std::int64_t integrate(std::size_t set);
    void integrate_block(const NodeSet& nodes, std::size_t first, Row& row);
    void split_block(const NodeSet& nodes, std::size_t first, Row& row);
    void split_integral(const Row& row);
    void answer(const Row& row, double w, double u, double softplus);

    const Batch& batch_;
    const Performance& theta_;
    const Nodes& nodes_;
    Posterior& posterior_;
    Sums* sums_;
    Row row_;
    std::vector<Queue> queues_;              // one per set of nodes
    std::vector<MarkSplit> split_;           // one per doubt of the row in work
    std::vector<double> power_, factor_;     // e^−k|gain| and factor of a term of the series, one per doubt
    std::vector<double> near_sum_, far_sum_; // the series, split by each doubt's mark
    std::vector<double> real_, imaginary_, prefix_; // φ at a block of nodes
};

} // namespace fastfuse
