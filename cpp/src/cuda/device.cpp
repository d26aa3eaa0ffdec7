#include <algorithm>

#include "cuda/runtime.hpp"

namespace fastfuse::cuda {

std::string why_not() {
    int devices = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess) {
        cudaGetLastError(); // an error is kept until it is asked for
        return std::string("CUDA finds no device here: ") + cudaGetErrorString(status);
    }
    return devices > 0 ? "" : "CUDA finds no device here";
}

Memory::Memory(int device, std::size_t bytes) : device_(device) {
    const OnDevice here(device);
    void* data = nullptr;
    const cudaError_t status = cudaMalloc(&data, std::max<std::size_t>(bytes, 1));
    if (status != cudaSuccess) {
        cudaGetLastError();
        const std::string what = "CUDA, asking for " + std::to_string(bytes >> 20) + " MiB on device " +
                                 std::to_string(device) + ": " + cudaGetErrorString(status) +
                                 "; free memory there, or fuse on the CPU (device='cpu')";
        if (status == cudaErrorMemoryAllocation) throw OutOfMemory(what);
        throw DeviceError(what);
    }
    data_ = static_cast<std::byte*>(data);
}

Memory::~Memory() {
    try {
        const OnDevice here(device_);
        check(cudaFree(data_), "giving memory back");
    } catch (
        const DeviceError&) { // an earlier failure that comes up here has been reported where it happened
    }
}

void copy_to_device(const Place& place, const void* from, std::size_t bytes, std::byte* to) {
    const OnDevice here(place.device);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(place)),
          "copying to the device");
    check(cudaStreamSynchronize(stream_of(place)), "copying to the device");
}

void copy_to_host(const Place& place, const std::byte* from, std::size_t bytes, void* to) {
    const OnDevice here(place.device);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(place)),
          "copying from the device");
    check(cudaStreamSynchronize(stream_of(place)), "copying from the device");
}

int blocks_for(const Place& place, std::int64_t jobs) {
    constexpr std::int64_t blocks_of_processor = 8; // of 256 threads: as many as a multiprocessor holds
    int processors = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, place.device),
          "asking for the multiprocessors");
    return static_cast<int>(std::clamp<std::int64_t>(jobs, 1, processors * blocks_of_processor));
}

} // namespace fastfuse::cuda
