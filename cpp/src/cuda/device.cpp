#include <algorithm>
#include <exception>
#include <mutex>

#include "cuda/runtime.hpp"

namespace fastfuse::cuda {

std::string why_not() {
    int devices = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status == cudaSuccess && devices > 0) return "";
    cudaGetLastError(); // clears the error
    if (status == cudaErrorInitializationError)
        return "CUDA cannot start in this process, as in one that was forked after its parent used CUDA: "
               "let it be started anew (multiprocessing's 'spawn')";
    return std::string("CUDA finds no device here (") + cudaGetErrorString(status) +
           "): is there one, with a driver that is new enough?";
}

namespace {

// Freed memory, kept for the next allocation: cudaMalloc takes longer than many a pass, and cudaFree waits
// for the whole device.
class Pool {
  public:
    // Null if no kept block has about this size.
    std::byte* take(int device, std::size_t& bytes) {
        const std::lock_guard<std::mutex> lock(guard_);
        auto best = kept_.end();
        for (auto block = kept_.begin(); block != kept_.end(); ++block)
            if (block->device == device && block->bytes >= bytes && block->bytes / 2 <= bytes &&
                (best == kept_.end() || block->bytes < best->bytes))
                best = block;
        if (best == kept_.end()) return nullptr;
        std::byte* data = best->data;
        bytes = best->bytes;
        total_ -= bytes;
        kept_.erase(best);
        return data;
    }

    // Returns whether the block is kept.
    bool keep(int device, std::size_t bytes, std::byte* data) {
        const std::lock_guard<std::mutex> lock(guard_);
        if (total_ + bytes > most_kept) return false;
        kept_.push_back({device, bytes, data});
        total_ += bytes;
        return true;
    }

    void give_back_all() {
        const std::lock_guard<std::mutex> lock(guard_);
        while (!kept_.empty()) {
            const Block block = kept_.back();
            kept_.pop_back();
            total_ -= block.bytes;
            const OnDevice here(block.device);
            check(cudaFree(block.data), "giving memory back");
        }
    }

  private:
    static constexpr std::size_t most_kept = std::size_t{256} << 20;
    struct Block {
        int device;
        std::size_t bytes;
        std::byte* data;
    };
    std::mutex guard_;
    std::vector<Block> kept_;
    std::size_t total_ = 0;
};

// Never destroyed: the driver may be gone at the end of the process.
Pool& pool() {
    static Pool* const all = new Pool;
    return *all;
}

} // namespace

Memory::Memory(int device, std::size_t bytes, bool lent)
    : device_(device), bytes_(std::max<std::size_t>(bytes, 256)), lent_(lent) {
    data_ = pool().take(device, bytes_);
    if (data_) return;
    const OnDevice here(device);
    void* data = nullptr;
    cudaError_t status = cudaMalloc(&data, bytes_);
    if (status == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        pool().give_back_all();
        status = cudaMalloc(&data, bytes_);
    }
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

// All work with the memory has been waited for, unless something failed.
Memory::~Memory() {
    if (!lent_ && std::uncaught_exceptions() == 0 && pool().keep(device_, bytes_, data_)) return;
    try {
        const OnDevice here(device_);
        check(cudaFree(data_), "giving memory back");
    } catch (const DeviceError&) { // an earlier failure, reported where it happened
    }
}

void send_to_device(const Place& place, const void* from, std::size_t bytes, std::byte* to) {
    const OnDevice here(place.device);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(place)),
          "copying to the device");
}

void copy_to_device(const Place& place, const void* from, std::size_t bytes, std::byte* to) {
    const OnDevice here(place.device);
    send_to_device(place, from, bytes, to);
    check(cudaStreamSynchronize(stream_of(place)), "copying to the device");
}

void copy_to_host(const Place& place, const std::byte* from, std::size_t bytes, void* to) {
    const OnDevice here(place.device);
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(place)),
          "copying from the device");
    check(cudaStreamSynchronize(stream_of(place)), "copying from the device");
}

int blocks_for(const Place& place, std::int64_t jobs, int at_once) {
    int processors = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, place.device),
          "asking for the multiprocessors");
    return static_cast<int>(std::clamp<std::int64_t>(jobs, 1, std::int64_t{processors} * at_once));
}

} // namespace fastfuse::cuda
