// CUDA's API in plain C++, so that the kernels can be run and tested without a device.
//
// The threads of a block are fibers that run in order from one __syncthreads to the next; blocks run one
// after another. Some kernels that depend on the order of threads between two barriers fail here too, but not
// all.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>

#include <unistd.h>

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static

namespace fastfuse::cuda::on_cpu {

// Keeps track of the device on which memory was allocated.
void note_memory(void* data, std::size_t bytes, int device);
void forget_memory(void* data);
bool lies_elsewhere(const void* data, int device);

} // namespace fastfuse::cuda::on_cpu

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInitializationError = 3,
    cudaErrorInvalidDevice = 101
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount };
using cudaStream_t = struct OnCpuStream*;

inline const char* cudaGetErrorString(cudaError_t status) {
    return status == cudaSuccess                 ? "no error"
           : status == cudaErrorMemoryAllocation ? "out of memory"
                                                 : "invalid device ordinal";
}
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
// Two devices, so that work on the wrong one is detected.
constexpr int on_cpu_devices = 2;
inline thread_local int on_cpu_device = 0;
// No more in a process that was forked later, as of a device.
inline cudaError_t cudaGetDeviceCount(int* count) {
    static const pid_t started = getpid();
    *count = on_cpu_devices;
    return getpid() == started ? cudaSuccess : cudaErrorInitializationError;
}
inline cudaError_t cudaGetDevice(int* device) {
    *device = on_cpu_device;
    return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= on_cpu_devices) return cudaErrorInvalidDevice;
    on_cpu_device = device;
    return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
    *value = 1;
    return cudaSuccess;
}
// Filled with junk and aligned to 256 bytes, as a device's memory is.
inline cudaError_t cudaMalloc(void** data, std::size_t bytes) {
    *data = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!*data) return cudaErrorMemoryAllocation;
    std::memset(*data, 0xa5, bytes);
    fastfuse::cuda::on_cpu::note_memory(*data, bytes, on_cpu_device);
    return cudaSuccess;
}
inline cudaError_t cudaFree(void* data) {
    fastfuse::cuda::on_cpu::forget_memory(data);
    std::free(data);
    return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                                   cudaStream_t) {
    std::memcpy(to, from, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t) {
    if (fastfuse::cuda::on_cpu::lies_elsewhere(data, on_cpu_device)) return cudaErrorInvalidDevice;
    std::memset(data, value, bytes);
    return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

struct OnCpuIndex {
    unsigned x = 0;
};
extern thread_local OnCpuIndex threadIdx, blockIdx, blockDim, gridDim;

void __syncthreads();

inline float __fdividef(float a, float b) { return a / b; }
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
