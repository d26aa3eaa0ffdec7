// E-step and sums of the M-step over the rows of a table.
//
//   θ_i[a, b]   rate: p(vote b | truth a) of rater i       π(a)   prior
//   c           voxels of a row                            w(a)   p(truth a | votes) of a row
#pragma once

#include <cstdint>
#include <vector>

#include "fastfuse/labels.hpp"
#include "fastfuse/threads.hpp"
#include "labels/factors.hpp"
#include "labels/matrices.hpp"

namespace fastfuse {

struct LabelSums {
    double log_likelihood = 0;
    std::vector<double> mass;    // Σ c w of each label
    std::vector<double> counted; // Σ c w of each factor
    void add(const LabelSums& part);
};

// Of all rows. Sets the weights of rows that do not name their factors to c w. Votes that the rates call
// impossible say nothing: w = 0.
LabelSums expectation(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
                      const Factors& factors, RowTruths& truths, const Team& team);

// w of the rows, each as a whole of 1, under rates and prior.
void posterior(const LabelTable& table, const Matrices& theta, const std::vector<double>& prior,
               RowTruths& truths, const Team& team);

// Adds rater i's counts T[a, b] = Σ c w over those of `rows` where their vote is b, to `counts`: [a, b] at
// b K + a. `truths` hold c w. Returns early where the work is to end.
void count(const LabelTable& table, const RowTruths& truths, const std::vector<Factors::Row>& rows, int rater,
           double* counts, const Worker& worker);

} // namespace fastfuse
