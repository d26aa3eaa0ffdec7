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

#include "fastfuse/enumerate.hpp"
#include "fastfuse/posterior.hpp"
#include "fastfuse/sums.hpp"

namespace fastfuse {

constexpr double negligible = 37; // e^−37 is less than the rounding of 1

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
    // Nodes that suffice where |S| is no larger. Made when first asked for.
    const NodeSet& within(double largest) const;
    static double count_within(double largest); // about how many

    std::vector<double> no;   // s_i(0)
    std::vector<double> gain; // s_i(1) − s_i(0)
    std::vector<double> log_false_alarm, log_rejection;

  private:
    struct Slot {
        std::once_flag once;
        std::unique_ptr<NodeSet> nodes;
    };
    mutable std::vector<Slot> slots_;
};

// One row after another. Scratch of one thread.
class RowCharacteristic {
  public:
    RowCharacteristic(const Batch& batch, const Performance& performance, const Nodes& nodes)
        : batch_(batch), theta_(performance), nodes_(nodes) {}

    // With `sums`, adds Σ c E[b_i p(1|B)] and its three companions.
    RowAnswer find(std::int64_t row, Sums* sums);
    std::int64_t terms() const { return terms_; } // of the last row

  private:
    // A fractional vote.
    struct Doubt {
        std::size_t rater;
        double vote;
        double gain;
    };
    // E[σ(S)] and its complement, split by a rater's own mark.
    struct Split {
        double hit, miss, false_alarm, rejection;
    };

    double vote(std::size_t rater) const { return batch_.votes_of(static_cast<int>(rater))[row_]; }
    void begin();
    void expand(bool mirrored);
    void saturate(bool marked);
    void integrate(double largest);
    void integrate_block(const NodeSet& nodes, std::size_t first);
    void split_block(const NodeSet& nodes, std::size_t first);

    const Batch& batch_;
    const Performance& theta_;
    const Nodes& nodes_;
    std::int64_t row_ = 0;
    bool splits_ = false;
    std::int64_t terms_ = 0;
    std::vector<Doubt> doubts_;
    double base_ = 0;                                         // S if every fractional vote were 0
    double lowest_ = 0, highest_ = 0, mean_ = 0, spread_ = 0; // of S; Σ gain²
    double log_zero_ = 0;                                     // E log p(B | truth 0), with 1 − π
    double w_ = 0, u_ = 0, softplus_ = 0;                     // E σ(S), E σ(−S), E log(1 + e^S)
    std::vector<Split> split_;                                // of each doubt
    std::vector<double> real_, imaginary_, prefix_, power_;
    std::vector<double> with_mark_, without_; // Σ Im φ / sinh with a doubt's vote held at 1, and at 0
};

} // namespace fastfuse
