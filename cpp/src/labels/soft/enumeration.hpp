// Expectation over all tuples B of labels that the raters of one voxel may mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "fastfuse/soft_labels.hpp"
#include "labels/matrices.hpp"
#include "labels/soft/rows.hpp"

namespace fastfuse {

// Scratch of one thread.
class Enumeration {
  public:
    Enumeration(const Matrices& theta, const std::vector<double>& prior, Candidates candidates)
        : theta_(theta), prior_(prior), voted_(candidates == Candidates::voted) {}

    // w of the row, Σ_B q(B) p(a | B), for `codes()`; adds Σ_B q(B) p(a | B) times the row's count to T[a,
    // b_i] of each rater, unless `counts` is null.
    const std::vector<double>& expect(const SoftRows& rows, std::int64_t row, double* counts);

    const std::vector<std::size_t>& codes() const { return codes_; } // labels that may be true
    double evidence() const { return evidence_; }                    // Σ_B q(B) log p(B)
    std::int64_t terms() const { return terms_; }

  private:
    void gather(const SoftRows& rows, std::int64_t row);
    void descend(std::size_t voter, double mass);
    void end(double mass);
    double find_by_logs();

    using Choices = std::vector<std::pair<std::size_t, double>>; // labels with q

    const Matrices& theta_;
    const std::vector<double>& prior_;
    bool voted_;
    std::vector<std::size_t> codes_;
    std::vector<int> voters_;
    std::vector<Choices> choices_;           // of each voter
    std::vector<std::size_t> chosen_;        // b_i on the way down
    std::vector<int> said_;                  // how often each label is chosen
    std::vector<std::vector<double>> ahead_; // π(a) Π θ_i[a, b_i] of the voters so far
    std::vector<std::vector<double>> below_; // Σ q(B) p(a | B) of the tuples that begin so
    double* counts_ = nullptr;
    double count_ = 0, evidence_ = 0;
    std::int64_t terms_ = 0;
};

} // namespace fastfuse
