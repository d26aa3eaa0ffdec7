// E-step of soft votes, and sums of the M-step.
//
//   q_i(b)      vote              a_i(a)   likelihood of rater i's vote where a is true
//   θ_i[a, b]   rate              T_i[a, b]   expected number of voxels of truth a with vote b
#pragma once

#include <cstddef>
#include <vector>

#include "fastfuse/soft_labels.hpp"
#include "labels/expectation.hpp"
#include "labels/matrices.hpp"
#include "labels/soft/enumeration.hpp"
#include "labels/soft/rows.hpp"

namespace fastfuse {

struct SoftSums {
    double log_likelihood = 0;
    std::vector<double> mass;   // Σ c w of each label
    std::vector<double> counts; // T, at (i K + b) K + a
    std::vector<double> seen;   // Σ c w over the voxels that rater i votes on, at i * K + a
    void add(const SoftSums& part);
};

enum class SoftCounts {
    none,
    paper, // v = q
    em,    // v_i(b | a), the share of label b in a vote where a is true
};

// Where EM starts: w from the votes alone; `untied`: of voxels where one label has most votes.
enum class SoftTruth { posterior, plurality, untied, share };

// Scratch of one thread.
class SoftStep {
  public:
    SoftStep(const SoftOptions& options, const Matrices& theta, const std::vector<double>& prior,
             SoftTruth truth);

    // Sets w of each row. `sums`: what to add their sums to; null: nothing.
    void find(const SoftRows& rows, SoftCounts counts, SoftSums* sums, const Worker& worker);

    const double* w(std::size_t a) const { return truths_.data() + a * capacity_; }

  private:
    double* w(std::size_t a) { return truths_.data() + a * capacity_; }
    double* likelihood(int i, std::size_t a) {
        return likelihoods_.data() + (static_cast<std::size_t>(i) * labels_ + a) * capacity_;
    }
    void resize(const SoftRows& rows);
    void find_shares(const SoftRows& rows);
    void keep_most_voted(const SoftRows& rows);
    void find_likelihoods(const SoftRows& rows);
    void find_products(const SoftRows& rows);
    void find_by_logs(const SoftRows& rows, std::int64_t r);
    void enumerate(const SoftRows& rows, double* counts, const Worker& worker);
    void add_sums(const SoftRows& rows, SoftCounts counts, SoftSums& sums);

    const SoftOptions& options_;
    const std::vector<double>& prior_;
    SoftTruth truth_;
    std::size_t labels_, capacity_ = 0;
    std::vector<double> factors_; // θ, or log θ
    std::vector<double> truths_, likelihoods_, evidence_, weighed_, part_;
    Enumeration enumeration_;
};

} // namespace fastfuse
