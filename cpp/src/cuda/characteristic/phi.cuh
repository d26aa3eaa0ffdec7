// The characteristic function φ at a block of nodes: products over raters, a group of them at a time.
#pragma once

#include "cuda/characteristic/nodes.cuh"

namespace fastfuse::cuda {

struct Complex {
    double real, imaginary;
};

__device__ inline Complex operator*(const Complex& a, const Complex& b) {
    return {a.real * b.real - a.imaginary * b.imaginary, a.real * b.imaginary + a.imaginary * b.real};
}

__device__ inline Complex turn(double angle) { return {cos(angle), sin(angle)}; }

// (1 − q) + q e^{iω gain} at node n, of a rater with these cosines and sines.
__device__ inline Complex factor_at(const double* turns, int n, double q) {
    return {1 - q + q * turns[n], q * turns[nodes_together + n]};
}

// Multiplies φ by all factors of a group of raters.
__device__ inline void multiply_group(int group, const double* block, const double* q, Complex* phi) {
    FASTFUSE_UNROLL
    for (int n = 0; n < nodes_together; ++n) {
        FASTFUSE_UNROLL
        for (int j = 0; j < raters_together; ++j)
            phi[n] = phi[n] * factor_at(turns_of(group * raters_together + j, block), n, q[j]);
    }
}

// Integrals of a block over φ without one rater of a group, with their mark held at 0 and at 1.
struct WithoutOne {
    double without[raters_together] = {}, with_mark[raters_together] = {};
};

// `outside`: product of all other groups at node n. Returns the product of the group.
__device__ inline Complex add_without_one(int group, const double* block, const double* q, int n,
                                          const Complex& outside, WithoutOne& sums) {
    const double* turns[raters_together];
    Complex f[raters_together];
    FASTFUSE_UNROLL
    for (int j = 0; j < raters_together; ++j) {
        turns[j] = turns_of(group * raters_together + j, block);
        f[j] = factor_at(turns[j], n, q[j]);
    }
    static_assert(raters_together == 4);
    const Complex first = f[0] * f[1], second = f[2] * f[3];
    const Complex for_first = outside * second, for_second = outside * first;
    const Complex others[raters_together] = {for_first * f[1], for_first * f[0], for_second * f[3],
                                             for_second * f[2]};
    FASTFUSE_UNROLL
    for (int j = 0; j < raters_together; ++j) {
        sums.without[j] += block[n] * others[j].imaginary;
        sums.with_mark[j] +=
            block[n] * (others[j].real * turns[j][nodes_together + n] + others[j].imaginary * turns[j][n]);
    }
    return first * second;
}

} // namespace fastfuse::cuda
