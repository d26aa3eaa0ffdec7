// Fusion of votes that lie on a CUDA device: what walks over voxels runs there, EM runs here, on what it
// leaves.
//
// Where the library is built without CUDA, nothing is available and the rest throws Unavailable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse::cuda {

struct Unavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A call of CUDA's that failed.
struct DeviceError : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct OutOfMemory : DeviceError {
    using DeviceError::DeviceError;
};

constexpr int most_raters = 64;
constexpr int most_dense_raters = 16; // whose 2^m masses are gathered

// Why CUDA is not available, as a sentence; empty if it is.
std::string why_not();

// Memory on a device. Given back with the object, once all work with it has been waited for.
class Memory {
  public:
    // `lent`: others may work with it on streams of their own, so that it is no use for the next.
    Memory(int device, std::size_t bytes, bool lent = false);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    std::byte* data() const { return data_; }

  private:
    [[maybe_unused]] int device_; // a build without CUDA uses none of the three
    [[maybe_unused]] std::size_t bytes_;
    [[maybe_unused]] bool lent_;
    std::byte* data_ = nullptr;
};

// Both wait until it is done.
void copy_to_device(const Place& place, const void* from, std::size_t bytes, std::byte* to);
void copy_to_host(const Place& place, const std::byte* from, std::size_t bytes, void* to);

} // namespace fastfuse::cuda
