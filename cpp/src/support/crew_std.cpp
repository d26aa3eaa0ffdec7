// Crews of threads of our own, which wait from one call for the next.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "support/crew.hpp"

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <signal.h>
#endif

namespace fastfuse {
namespace {

// Signals that arrive from outside are for the program's own threads.
class SignalsBlocked {
#if defined(__unix__) || defined(__APPLE__)
  public:
    SignalsBlocked() {
        sigset_t outside;
        sigfillset(&outside);
        for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP})
            sigdelset(&outside, fault);
        pthread_sigmask(SIG_SETMASK, &outside, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_;
#endif
};

int processors() {
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
#endif
    return static_cast<int>(std::thread::hardware_concurrency());
}

#if defined(__unix__) || defined(__APPLE__)
// The kernels' scratch takes up to 130 KB. musl gives a thread 128 KB.
constexpr std::size_t least_stack_bytes = std::size_t{1} << 20;

class RoomyStack {
  public:
    RoomyStack() {
        if (const int error = pthread_attr_init(&attributes_))
            throw std::system_error(error, std::generic_category());
        std::size_t bytes = 0;
        if (pthread_attr_getstacksize(&attributes_, &bytes) == 0 && bytes < least_stack_bytes)
            pthread_attr_setstacksize(&attributes_, least_stack_bytes);
        pthread_attr_setdetachstate(&attributes_, PTHREAD_CREATE_DETACHED);
    }
    ~RoomyStack() { pthread_attr_destroy(&attributes_); }
    RoomyStack(const RoomyStack&) = delete;
    RoomyStack& operator=(const RoomyStack&) = delete;
    const pthread_attr_t* get() const { return &attributes_; }

  private:
    pthread_attr_t attributes_;
};

// Throws std::system_error where the system gives no thread.
void start_thread(std::function<void()> work) {
    const RoomyStack stack;
    auto given = std::make_unique<std::function<void()>>(std::move(work));
    const auto run = [](void* place) -> void* {
        const std::unique_ptr<std::function<void()>> own(static_cast<std::function<void()>*>(place));
        (*own)();
        return nullptr;
    };
    pthread_t thread;
    if (const int error = pthread_create(&thread, stack.get(), run, given.get()))
        throw std::system_error(error, std::generic_category());
    static_cast<void>(given.release()); // the thread's
}
#else
void start_thread(std::function<void()> work) { std::thread(std::move(work)).detach(); }
#endif

// OMP_NUM_THREADS, as with OpenMP: the first of its numbers; 0 without it.
int default_threads() {
    const char* number = std::getenv("OMP_NUM_THREADS");
    return number ? std::atoi(number) : 0;
}

} // namespace

struct Crew::Own {
    // How long a thread looks for the next work before it lies down: the runs of an iteration follow closely.
    static constexpr std::chrono::microseconds watchful{200};

    int threads = 1;      // the crew with the calling thread
    bool refused = false; // the system gives no more
    std::mutex guard;
    std::condition_variable work_is_there, all_home;
    const Work* work = nullptr;          // null between two runs
    int called = 0;                      // threads of the present run
    int away = 0;                        // threads that are at work
    std::atomic<std::uint64_t> round{0}; // counts runs

    Own* next = nullptr; // while no call uses it

    static std::unique_ptr<Own> taken();
    void run(int wanted, const Work& job);

  private:
    void grow(int wanted);
    void serve(int number);
};

void Crew::Own::grow(int wanted) {
    [[maybe_unused]] const SignalsBlocked inherited; // empty on Windows
    try {
        for (; threads < wanted; ++threads)
            start_thread([this, number = threads] { serve(number); });
    } catch (const std::exception&) { // std::system_error, or std::bad_alloc: those that are there will do
        refused = true;
        note_shortage(wanted, threads);
    }
}

void Crew::Own::serve(int number) {
    std::uint64_t seen = 0;
    std::unique_lock<std::mutex> hold(guard);
    while (true) {
        work_is_there.wait(hold, [&] { return work && number < called && round.load() != seen; });
        seen = round.load();
        const Work& mine = *work;
        ++away;
        hold.unlock();
        mine(number);
        hold.lock();
        if (--away == 0) all_home.notify_one();
        hold.unlock();
        const auto end = std::chrono::steady_clock::now() + watchful;
        while (round.load() == seen && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        hold.lock();
    }
}

const char* Crew::threads_by() { return "std::thread"; }

int Crew::most(int asked) {
    const int wanted = asked > 0 ? asked : default_threads();
    const int here = processors();
    return wanted > 0 && wanted < here ? wanted : here;
}

namespace {

// Crews that no call uses, a chain. They stay until the process ends, and are never destroyed: their threads
// wait.
std::mutex& idle_guard = *new std::mutex;
Crew::Own* idle = nullptr;

#if defined(__unix__) || defined(__APPLE__)
// Of a crew a forked child has all but the threads: it makes its own.
const int watch_forks = pthread_atfork([] { idle_guard.lock(); }, [] { idle_guard.unlock(); },
                                       [] {
                                           idle = nullptr;
                                           idle_guard.unlock();
                                       });
#endif

} // namespace

std::unique_ptr<Crew::Own> Crew::Own::taken() {
    const std::lock_guard<std::mutex> hold(idle_guard);
    if (!idle) return std::make_unique<Own>();
    std::unique_ptr<Own> crew(std::exchange(idle, idle->next));
    crew->refused = false;
    return crew;
}

void Crew::Own::run(int wanted, const Work& job) {
    if (!refused && threads < wanted) grow(wanted);
    {
        const std::lock_guard<std::mutex> hold(guard);
        work = &job;
        called = wanted;
        ++round;
    }
    work_is_there.notify_all();
    job(0);
    std::unique_lock<std::mutex> hold(guard);
    work = nullptr; // who has not begun need not
    all_home.wait(hold, [&] { return away == 0; });
}

Crew::Crew() = default;

Crew::~Crew() {
    if (!own_) return;
    const std::lock_guard<std::mutex> hold(idle_guard);
    own_->next = idle;
    idle = own_.release();
}

void Crew::run(int threads, const Work& work) {
    if (threads <= 1) return work(0);
    if (!own_) own_ = Own::taken();
    own_->run(threads, work);
}

} // namespace fastfuse
