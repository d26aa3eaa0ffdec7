// The table of nodes of the characteristic function. CPU counterpart: posterior/nodes.cpp.
//
//   h        step from node to node, ω_k = (k + ½) h
//   gain_i   s_i(1) − s_i(0), what a vote 1 of rater i adds to the log-odds
#include "cuda/characteristic/nodes.cuh"
#include "cuda/votes.cuh"
#include "posterior/node_sets.hpp"

namespace fastfuse::cuda {
namespace {

__device__ void fill_set(const Odds& odds, const NodeSets& sets, int set, double* table) {
    const int raters = padded(odds.groups);
    const std::int64_t entries = static_cast<std::int64_t>(sets.blocks[set]) * nodes_together * (1 + raters);
    for (std::int64_t n = first_voxel(); n < entries; n += voxels_apart()) {
        const std::int64_t node = n / (1 + raters);
        const int what = static_cast<int>(n % (1 + raters)); // the weights, or a rater
        double* to = table + sets.begin[set] + node / nodes_together * block_size(odds.groups) +
                     what * 2 * nodes_together + node % nodes_together;
        const double omega = (static_cast<double>(node) + 0.5) * sets.step[set];
        const double weight = sets.step[set] / sinh(pi * omega);
        to[0] = what == 0 ? weight : cos(omega * odds.gain[what - 1]);
        to[nodes_together] = what == 0 ? weight / omega : sin(omega * odds.gain[what - 1]);
    }
}

__global__ void fill_tables(Odds odds, NodeSets sets, double* table) {
    const int raters = padded(odds.groups);
    for (std::int64_t n = first_voxel(); n < most_terms * raters; n += voxels_apart())
        table[n] = exp(-static_cast<double>(n / raters) * fabs(odds.gain[n % raters]));
    for (int set = 0; set < sets.sets; ++set)
        fill_set(odds, sets, set, table);
}

} // namespace

NodeSets node_sets_for(const Odds& odds, double largest) {
    NodeSets sets{};
    sets.size = most_terms * padded(odds.groups);
    for (sets.sets = 0; sets.sets <= static_cast<int>(set_within(largest)); ++sets.sets) {
        if (sets.sets == most_sets) throw DeviceError("CUDA: the rates and the prior are too extreme");
        const auto s = static_cast<std::size_t>(sets.sets);
        sets.step[s] = 2 * pi / period_of(s);
        sets.blocks[s] = static_cast<int>(last_node / sets.step[s] / nodes_together) + 1;
        sets.begin[s] = sets.size;
        sets.size += static_cast<std::int64_t>(sets.blocks[s]) * block_size(odds.groups);
    }
    return sets;
}

void fill_table(const Odds& odds, const NodeSets& sets, double* table, const Place& place) {
    launch(fill_tables, blocks_for(place, sets.size / block_threads + 1), place, "preparing nodes", odds,
           sets, table);
}

} // namespace fastfuse::cuda
