// CUDA's runtime, its errors as exceptions, and how a kernel is launched; or its stand-in on the CPU.
#pragma once

#ifdef FASTFUSE_CUDA_ON_CPU
#include "cuda/on_cpu.hpp"
#else
#include <cuda_runtime.h>
#endif

#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "fastfuse/cuda.hpp"

// FASTFUSE_UNROLL: before a short loop over an array that is to stay in registers.
// FASTFUSE_UNROLL_BY: before a long loop whose iterations should wait for memory together.
// FASTFUSE_BLOCKS: of a kernel that keeps to the registers of so many blocks on a multiprocessor.
// FASTFUSE_CALLED: a function that is not inlined, as it is called rarely and from many places.
#ifdef FASTFUSE_CUDA_ON_CPU
#define FASTFUSE_UNROLL
#define FASTFUSE_UNROLL_BY(times)
#define FASTFUSE_BLOCKS(blocks)
#define FASTFUSE_CALLED inline
#else
#define FASTFUSE_UNROLL _Pragma("unroll")
#define FASTFUSE_PRAGMA(words) _Pragma(#words)
#define FASTFUSE_UNROLL_BY(times) FASTFUSE_PRAGMA(unroll times)
#define FASTFUSE_BLOCKS(blocks) __launch_bounds__(block_threads, (blocks))
#define FASTFUSE_CALLED static __noinline__
#endif

namespace fastfuse::cuda {

constexpr int block_threads = 256;

inline void check(cudaError_t status, const char* what) {
    if (status == cudaSuccess) return;
    cudaGetLastError(); // clears the error, which the next call would report otherwise
    const std::string said = std::string("CUDA, ") + what + ": " + cudaGetErrorString(status);
    if (status == cudaErrorMemoryAllocation) throw OutOfMemory(said); // a launch may need memory, too
    throw DeviceError(said);
}

// Makes the device current, and restores the previous one at the end.
class OnDevice {
  public:
    explicit OnDevice(int device) {
        check(cudaGetDevice(&before_), "asking for the device");
        if (device != before_) check(cudaSetDevice(device), "choosing the device");
        moved_ = device != before_;
    }
    ~OnDevice() {
        if (moved_ && cudaSetDevice(before_) != cudaSuccess) cudaGetLastError();
    }
    OnDevice(const OnDevice&) = delete;
    OnDevice& operator=(const OnDevice&) = delete;

  private:
    int before_ = 0;
    bool moved_ = false;
};

inline cudaStream_t stream_of(const Place& place) { return reinterpret_cast<cudaStream_t>(place.stream); }

// Begins a copy to the device, which kernels launched later see; both places must stay until the stream was
// waited for.
void send_to_device(const Place& place, const void* from, std::size_t bytes, std::byte* to);

// An array on the device.
template <class T> class Array {
  public:
    Array(const Place& place, std::size_t size)
        : place_(place), size_(size), memory_(place.device, size * sizeof(T)) {}
    Array(const Place& place, const std::vector<T>& values) : Array(place, values.size()) {
        copy_to_device(place, values.data(), values.size() * sizeof(T), memory_.data());
    }
    T* data() const { return reinterpret_cast<T*>(memory_.data()); }
    std::byte* bytes() const { return memory_.data(); }
    std::size_t size() const { return size_; }
    std::vector<T> values() const {
        std::vector<T> found(size_);
        copy_to_host(place_, memory_.data(), size_ * sizeof(T), found.data());
        return found;
    }
    void fill_with_zeros() {
        const OnDevice here(place_.device);
        check(cudaMemsetAsync(data(), 0, size_ * sizeof(T), stream_of(place_)), "clearing memory");
    }

  private:
    Place place_;
    std::size_t size_;
    Memory memory_;
};

// Temporary memory of kernels, kept from one pass to the next.
class Scratch {
  public:
    explicit Scratch(const Place& place) : place_(place) {}
    const Place& place() const { return place_; }
    // Valid until the next call.
    double* doubles(std::size_t size) {
        if (!memory_ || memory_->size() < size) {
            memory_.reset(); // first: there may not be room for both
            memory_.emplace(place_, size);
        }
        return memory_->data();
    }

  private:
    Place place_;
    std::optional<Array<double>> memory_;
};

// Number of blocks that fills the device, at most `jobs`; `at_once`: of a multiprocessor, which holds eight
// of 256 threads if their registers suffice. Blocks loop until all work is done. The number depends on the
// kind of device alone, and so do the sums' last bits.
int blocks_for(const Place& place, std::int64_t jobs, int at_once = 8);

inline void wait(const Place& place, const char* what) {
    check(cudaStreamSynchronize(stream_of(place)), what);
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), int blocks, const Place& place, const char* what,
            const Arguments&... arguments) {
#ifdef FASTFUSE_CUDA_ON_CPU
    on_cpu::run(blocks, block_threads, [&] { kernel(arguments...); });
    static_cast<void>(place);
    static_cast<void>(what);
#else
    std::tuple<Parameters...> values(arguments...);
    std::apply(
        [&](auto&... value) {
            void* addresses[] = {&value...};
            check(cudaLaunchKernel(reinterpret_cast<const void*>(kernel), dim3(static_cast<unsigned>(blocks)),
                                   dim3(block_threads), addresses, 0, stream_of(place)),
                  what);
        },
        values);
#endif
}

} // namespace fastfuse::cuda
