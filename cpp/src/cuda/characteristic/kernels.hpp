// An E-step of soft-STAPLE by the characteristic function, as the host calls it. All arrays lie on the
// device.
#pragma once

#include <cstdint>

#include "cuda/kernels.hpp"

namespace fastfuse::cuda {

constexpr int raters_together = 4, nodes_together = 2; // of one step of a kernel's loops
constexpr int most_sets = 24;                          // of nodes, for any rates and priors
constexpr int most_terms = 40;                         // of the series

// What the rates and the prior say. Raters come in whole groups of raters_together; those beyond the last one
// have zeros, which change nothing.
struct Odds {
    int groups;
    double no[most_raters];   // s_i(0)
    double gain[most_raters]; // s_i(1) − s_i(0)
    double log_false_positive[most_raters], log_true_negative[most_raters];
    bool one_yes[most_raters], zero_yes[most_raters]; // whether 1 is the likelier mark where truth is 1, or 0
    double logit, log_background;                     // of the prior: logit π, log (1 − π)
};

// Layout of the table of nodes. First e^−k|gain| of each rater, for the terms of the series; then the sets of
// nodes. A set consists of blocks of nodes_together nodes. A block holds the nodes' weights, their weights
// for the logarithm, then cos and sin of ω gain for each rater.
struct NodeSets {
    int sets;
    double step[most_sets]; // h
    int blocks[most_sets];
    std::int64_t begin[most_sets];
    std::int64_t size; // of the table
};
// Sets of nodes for |S| ≤ `largest`.
NodeSets node_sets_for(const Odds& odds, double largest);
void fill_table(const Odds& odds, const NodeSets& sets, double* table, const Place& place);

struct ByNodes {
    Columns columns;
    Odds odds;
    NodeSets sets;
    Consensus to;
};
// Leaves the same sums as expect. `splits`: the M-step sees the raters' own marks.
void expect_by_nodes(const ByNodes& given, bool splits, double* sums, Scratch& tables, Scratch& scratch);

} // namespace fastfuse::cuda
