#undef _FORTIFY_SOURCE // it reports a jump to another stack as an error

#include "cuda/on_cpu.hpp"

#include <csetjmp>

#include <ucontext.h>

#include <map>
#include <memory>
#include <mutex>
#include <vector>

thread_local OnCpuIndex threadIdx, blockIdx, blockDim, gridDim;

namespace fastfuse::cuda::on_cpu {
namespace {

constexpr std::size_t stack_bytes = 128 * 1024;

struct Fiber {
    ucontext_t start{};     // its start
    std::jmp_buf barrier{}; // its last barrier; a jump is much faster than a switch of contexts
    std::vector<char> stack = std::vector<char>(stack_bytes);
    bool begun = false, done = false;
};

// The running block. Shared memory is static, so the process runs one block at a time.
struct RunningBlock {
    std::vector<std::unique_ptr<Fiber>> fibers;
    const std::function<void()>* thread = nullptr;
    std::jmp_buf scheduler{};
    std::size_t current = 0;
};
RunningBlock running;
std::mutex one_at_a_time;

void enter() {
    Fiber& fiber = *running.fibers[running.current];
    (*running.thread)();
    fiber.done = true;
    _longjmp(running.scheduler, 1);
}

void prepare(Fiber& fiber) {
    getcontext(&fiber.start);
    fiber.start.uc_stack.ss_sp = fiber.stack.data();
    fiber.start.uc_stack.ss_size = fiber.stack.size();
    fiber.start.uc_link = nullptr;
    fiber.begun = fiber.done = false;
    makecontext(&fiber.start, enter, 0);
}

// Runs the fiber to its next barrier, or its end.
void go_on(Fiber& fiber) {
    if (_setjmp(running.scheduler) != 0) return;
    if (fiber.begun) _longjmp(fiber.barrier, 1);
    fiber.begun = true;
    setcontext(&fiber.start);
}

// Runs every thread to its next barrier or its end, until all have ended.
void run_block(int threads) {
    for (int t = 0; t < threads; ++t)
        prepare(*running.fibers[static_cast<std::size_t>(t)]);
    for (bool any = true; any;) {
        any = false;
        for (int t = 0; t < threads; ++t) {
            running.current = static_cast<std::size_t>(t);
            Fiber& fiber = *running.fibers[running.current];
            if (fiber.done) continue;
            threadIdx.x = static_cast<unsigned>(t);
            go_on(fiber);
            any |= !fiber.done;
        }
    }
}

} // namespace

namespace {

struct Lying {
    std::size_t bytes;
    int device;
};
std::map<const char*, Lying> memory;
std::mutex memory_guard;

} // namespace

void note_memory(void* data, std::size_t bytes, int device) {
    const std::lock_guard<std::mutex> lock(memory_guard);
    memory[static_cast<const char*>(data)] = {bytes, device};
}

void forget_memory(void* data) {
    const std::lock_guard<std::mutex> lock(memory_guard);
    memory.erase(static_cast<const char*>(data));
}

bool lies_elsewhere(const void* data, int device) {
    const std::lock_guard<std::mutex> lock(memory_guard);
    auto after = memory.upper_bound(static_cast<const char*>(data));
    if (after == memory.begin()) return false;
    const auto& [first, lying] = *--after;
    return static_cast<const char*>(data) < first + lying.bytes && lying.device != device;
}

void run(int blocks, int threads, const std::function<void()>& thread) {
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    while (running.fibers.size() < static_cast<std::size_t>(threads))
        running.fibers.push_back(std::make_unique<Fiber>());
    running.thread = &thread;
    gridDim.x = static_cast<unsigned>(blocks);
    blockDim.x = static_cast<unsigned>(threads);
    for (int b = 0; b < blocks; ++b) {
        blockIdx.x = static_cast<unsigned>(b);
        run_block(threads);
    }
}

} // namespace fastfuse::cuda::on_cpu

void __syncthreads() {
    using fastfuse::cuda::on_cpu::running;
    if (_setjmp(running.fibers[running.current]->barrier) == 0) _longjmp(running.scheduler, 1);
}
