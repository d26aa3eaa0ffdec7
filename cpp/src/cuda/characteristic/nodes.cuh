// Places in the table of nodes; NodeSets in kernels.hpp describes it.
#pragma once

#include "cuda/characteristic/kernels.hpp"

namespace fastfuse::cuda {

__host__ __device__ constexpr int padded(int groups) { return groups * raters_together; }

// Doubles of a block of nodes: two weights for each node, and cos and sin of each rater.
__host__ __device__ constexpr int block_size(int groups) { return nodes_together * 2 * (1 + padded(groups)); }

// cos and sin of rater `rater` in a block of nodes, the cosines of all nodes first.
__device__ inline const double* turns_of(int rater, const double* block) {
    return block + 2 * nodes_together * (1 + rater);
}

__device__ inline double decay_at(int k, int rater, int groups, const double* table) {
    return table[k * padded(groups) + rater];
}

} // namespace fastfuse::cuda
