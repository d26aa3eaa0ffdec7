#include "support/room.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace fastfuse {
namespace {

class StackSize {
  public:
    explicit StackSize(std::size_t bytes) {
        pthread_attr_init(&attributes_);
        if (bytes > 0) pthread_attr_setstacksize(&attributes_, bytes); // refused: the default stays
    }
    ~StackSize() { pthread_attr_destroy(&attributes_); }
    StackSize(const StackSize&) = delete;
    StackSize& operator=(const StackSize&) = delete;
    const pthread_attr_t* get() const { return &attributes_; }

  private:
    pthread_attr_t attributes_;
};

// A thread that waits until the gate is open.
struct Trial {
    std::mutex* gate;
    pthread_t thread;
    long number = 0; // the system's

    static void* live(void* trial) {
        auto* self = static_cast<Trial*>(trial);
#if defined(__linux__)
        self->number = syscall(SYS_gettid);
#endif
        const std::lock_guard<std::mutex> wait(*self->gate);
        return nullptr;
    }
};

// A thread that has been joined counts against the limits until the system has buried it.
void wait_until_gone([[maybe_unused]] long number) {
#if defined(__linux__)
    const auto long_enough = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
    while (syscall(SYS_tgkill, getpid(), number, 0) == 0 && std::chrono::steady_clock::now() < long_enough)
        std::this_thread::yield();
#endif
}

// As OpenMP reads it: a number, and B, K, M or G; K without one.
std::optional<std::size_t> bytes_in(const char* text) {
    if (!text) return std::nullopt;
    char* rest = nullptr;
    errno = 0;
    const unsigned long long number = std::strtoull(text, &rest, 10);
    if (rest == text || errno != 0) return std::nullopt;
    std::string unit;
    for (; *rest; ++rest)
        if (!std::isspace(static_cast<unsigned char>(*rest)))
            unit += static_cast<char>(std::toupper(static_cast<unsigned char>(*rest)));
    const std::size_t place = std::string("BKMG").find(unit.empty() ? "K" : unit);
    if (unit.size() > 1 || place == std::string::npos) return std::nullopt;
    const int shift = static_cast<int>(10 * place);
    if (number > SIZE_MAX >> shift) return std::nullopt;
    return static_cast<std::size_t>(number) << shift;
}

} // namespace

int room_for_threads(int wanted, std::size_t stack_bytes) {
    const StackSize stack(stack_bytes);
    std::mutex gate;
    std::vector<Trial> trials;
    try {
        trials.resize(static_cast<std::size_t>(wanted), Trial{&gate, {}, 0});
    } catch (const std::bad_alloc&) {
        return 0;
    }
    std::size_t made = 0;
    gate.lock();
    while (made < trials.size() &&
           pthread_create(&trials[made].thread, stack.get(), Trial::live, &trials[made]) == 0)
        ++made;
    gate.unlock();
    for (std::size_t k = 0; k < made; ++k)
        pthread_join(trials[k].thread, nullptr);
    for (std::size_t k = 0; k < made; ++k)
        wait_until_gone(trials[k].number);
    return static_cast<int>(made);
}

std::size_t openmp_stack_bytes() {
    const auto omp = bytes_in(std::getenv("OMP_STACKSIZE"));
    return omp ? *omp : bytes_in(std::getenv("GOMP_STACKSIZE")).value_or(0);
}

} // namespace fastfuse
