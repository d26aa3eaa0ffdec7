// What stands for the device where the library is built without CUDA.
#include "cuda/engines.hpp"
#include "fastfuse/cuda.hpp"

namespace fastfuse::cuda {
namespace {

[[noreturn]] void refuse() { throw Unavailable(why_not()); }

} // namespace

std::string why_not() {
    return "this fastfuse was built without CUDA: in a clone, pip install . -C cmake.define.FASTFUSE_CUDA=ON";
}

Memory::Memory(int device, std::size_t bytes, bool lent) : device_(device), bytes_(bytes), lent_(lent) {
    refuse();
}
Memory::~Memory() = default;

void copy_to_device(const Place&, const void*, std::size_t, std::byte*) { refuse(); }
void copy_to_host(const Place&, const std::byte*, std::size_t, void*) { refuse(); }
Found find_patterns(const Votes&) { refuse(); }
std::unique_ptr<Passes> passes(const Votes&, bool, bool) { refuse(); }

} // namespace fastfuse::cuda
