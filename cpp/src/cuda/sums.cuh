// Sums over the threads of a block and over blocks, in a fixed order.
#pragma once

#include "cuda/votes.cuh"

namespace fastfuse::cuda {

// Combines the values of all threads of a block; thread 0 gets the result. All threads must call it.
template <class Combine> __device__ double over_block(double value, const Combine& combine) {
    __shared__ double part[block_threads];
    part[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = block_threads / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] = combine(part[threadIdx.x], part[threadIdx.x + half]);
        __syncthreads();
    }
    const double found = part[0];
    __syncthreads(); // before the next value is written
    return found;
}

struct Add {
    __device__ double operator()(double a, double b) const { return a + b; }
};
struct Least {
    __device__ double operator()(double a, double b) const { return b < a ? b : a; }
};
struct Greatest {
    __device__ double operator()(double a, double b) const { return b > a ? b : a; }
};

// Adds the threads' sum s over the block and writes it to part[s · blocks + block].
__device__ inline void leave_sum(double sum, int s, double* part) {
    const double found = over_block(sum, Add{});
    if (threadIdx.x == 0) part[static_cast<std::int64_t>(s) * gridDim.x + blockIdx.x] = found;
}

// Sums that lie in no registers.
__device__ inline void leave_many_sums(const double* sum, int sums, double* part) {
    for (int s = 0; s < sums; ++s)
        leave_sum(sum[s], s, part);
}

// The first `sums` of them.
template <int most> __device__ void leave_sums(const double (&sum)[most], int sums, double* part) {
    constexpr int registers = 40;
    if constexpr (most > registers) {
        leave_many_sums(sum, sums, part);
    } else {
        FASTFUSE_UNROLL
        for (int s = 0; s < most; ++s)
            if (s < sums) leave_sum(sum[s], s, part); // all threads alike
    }
}

// Sums of four are floats where their values are.
template <class T> __device__ double over_quad(const T (&value)[quad]) {
    return static_cast<double>((value[0] + value[1]) + (value[2] + value[3]));
}

// The least and the greatest value that a thread writes.
struct Extremes {
    double least = 1, greatest = 0;
    __device__ void add(double value) {
        least = Least{}(least, value);
        greatest = Greatest{}(greatest, value);
    }
};

// Writes the block's least value to part[block] and its greatest to part[blocks + block].
__device__ inline void leave_extremes(const Extremes& extremes, double* part) {
    const double low = over_block(extremes.least, Least{}), high = over_block(extremes.greatest, Greatest{});
    if (threadIdx.x != 0) return;
    part[blockIdx.x] = low;
    part[gridDim.x + blockIdx.x] = high;
}

// sum[s] = Σ_b part[s · parts + b] for every s.
void add_parts(const double* part, std::int64_t sums, int parts, double* sum, const Place& place);

// Sums and extremes of each block of a pass.
class Parts {
  public:
    Parts(int sums, int blocks, Scratch& scratch)
        : sums_(sums), blocks_(blocks), place_(scratch.place()), part_(scratch.doubles(size(sums + 2))) {}
    double* sums() const { return part_; }
    double* extremes() const { return part_ + size(sums_); }
    // The sums, then the least, then the greatest.
    void add_up(double* found) const;

  private:
    std::size_t size(int rows) const {
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(blocks_);
    }

    int sums_, blocks_;
    Place place_;
    double* part_;
};

} // namespace fastfuse::cuda
