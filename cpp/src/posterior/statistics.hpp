// Sums of an E-step, from which the M-step finds the rates.
//
//   c            voxels of a row                         w      p(truth 1 | votes) of a row
//   v_i1, v_i0   vote of rater i as the M-step sees it, where truth is 1 and where it is 0
#pragma once

#include <vector>

namespace fastfuse {

// Sums over all rows, or over a part of them.
struct Sums {
    explicit Sums(int raters = 0);
    void add(const Sums& other);
    double count = 0;                   // Σ c
    double foreground = 0;              // Σ c w
    double background = 0;              // Σ c (1 − w)
    double log_likelihood = 0;          // Σ c log p(votes)
    std::vector<double> true_positive;  // Σ c w v_i1
    std::vector<double> false_negative; // Σ c w (1 − v_i1)
    std::vector<double> false_positive; // Σ c (1 − w) v_i0
    std::vector<double> true_negative;  // Σ c (1 − w)(1 − v_i0)
};

} // namespace fastfuse
