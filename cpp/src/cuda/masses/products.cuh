// What the kernels of soft-STAPLE in one pass share: products of votes, and the way to masses of few raters.
#pragma once

#include "cuda/votes.cuh"

namespace fastfuse::cuda {

constexpr int most_few = 8;                       // raters whose products stay in registers
constexpr int voxels_between_mass_flushes = 1024; // of a thread, from floats to doubles

// product[b] = start Π_j q_j(b_j), of 2^raters patterns b.
template <int raters, class T> __device__ void branch(const T* vote, T start, T* product) {
    product[0] = start;
    FASTFUSE_UNROLL
    for (int j = 0; j < raters; ++j)
        FASTFUSE_UNROLL
    for (int b = (1 << raters) / 2 - 1; b >= 0; --b) {
        if (b >> j != 0) continue; // keeps the loop's length constant
        product[b + (1 << j)] = product[b] * vote[j];
        product[b] *= 1 - vote[j];
    }
}

// 0 outside the mask, else 1 or q (1 − q) of the rater behind the last.
__device__ inline float weight_of(const Columns& columns, bool again, std::int64_t voxel) {
    if (!counts(columns, voxel)) return 0;
    if (!again) return 1;
    const float q = static_cast<float>(read_vote(columns, columns.raters, voxel));
    return q * (1 - q);
}

void find_masses_of_few(const Columns& columns, bool again, double* mass, Scratch& scratch);

} // namespace fastfuse::cuda
