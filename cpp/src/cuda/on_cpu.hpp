// CUDA's words in plain C++, so that the kernels can be run, and tested, without a device.
//
// The threads of a block are fibers that take turns, in order, at every __syncthreads; blocks run one after
// another. What depends on the order of threads between two barriers goes wrong here too, if not in every
// case.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static

enum cudaError_t { cudaSuccess = 0, cudaErrorMemoryAllocation = 2 };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount };
using cudaStream_t = struct OnCpuStream*;

inline const char* cudaGetErrorString(cudaError_t status) {
    return status == cudaSuccess ? "no error" : "out of memory";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) {
    *count = 1;
    return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) {
    *device = 0;
    return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
    *value = 1;
    return cudaSuccess;
}
// Filled with junk, and begun on 256 bytes, as a device's memory is.
inline cudaError_t cudaMalloc(void** data, std::size_t bytes) {
    *data = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!*data) return cudaErrorMemoryAllocation;
    std::memset(*data, 0xa5, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaFree(void* data) {
    std::free(data);
    return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                                   cudaStream_t) {
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t) {
    std::memset(data, value, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

struct OnCpuIndex {
    unsigned x = 0;
};
extern thread_local OnCpuIndex threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads();

template <class T> T atomicAdd(T* to, T value) {
    const T before = *to;
    *to += value;
    return before;
}
template <class T> T atomicMax(T* to, T value) {
    const T before = *to;
    *to = std::max(before, value);
    return before;
}
template <class T> T atomicCAS(T* to, T expected, T value) {
    const T before = *to;
    if (before == expected) *to = value;
    return before;
}

namespace fastfuse::cuda::on_cpu {

// Calls `thread` for every thread of every block.
void run(int blocks, int threads, const std::function<void()>& thread);

} // namespace fastfuse::cuda::on_cpu
