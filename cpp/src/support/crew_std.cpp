// A crew of threads of our own, which live as long as the crew. A forked child inherits no crew in use, as
// each belongs to one call, so that it can make its own.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "support/crew.hpp"

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
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

// OMP_NUM_THREADS, as with OpenMP: the first of its numbers; 0 without it.
int default_threads() {
    const char* number = std::getenv("OMP_NUM_THREADS");
    return number ? std::atoi(number) : 0;
}

} // namespace

struct Crew::Own {
    static constexpr int looks = 100; // for the next work, before a thread lies down: it may follow closely

    std::vector<std::thread> threads; // the crew without the calling thread
    bool refused = false;             // the system gives no more
    std::mutex guard;
    std::condition_variable work_is_there, all_home;
    const Work* work = nullptr; // null between two runs
    int called = 0;             // threads of the present run
    int away = 0;               // threads that are at work
    bool over = false;
    std::atomic<std::uint64_t> round{0}; // counts runs

    void grow(int wanted);
    void serve(int number);
};

void Crew::Own::grow(int wanted) {
    const SignalsBlocked inherited;
    try {
        while (static_cast<int>(threads.size()) + 1 < wanted) {
            const int number = static_cast<int>(threads.size()) + 1;
            threads.emplace_back([this, number] { serve(number); });
        }
    } catch (const std::exception&) { // std::system_error, or std::bad_alloc: those that are there will do
        refused = true;
        note_shortage(wanted, static_cast<int>(threads.size()) + 1);
    }
}

void Crew::Own::serve(int number) {
    std::uint64_t seen = 0;
    std::unique_lock<std::mutex> hold(guard);
    while (true) {
        work_is_there.wait(hold, [&] { return over || (work && number < called && round.load() != seen); });
        if (over) return;
        seen = round.load();
        const Work& mine = *work;
        ++away;
        hold.unlock();
        mine(number);
        hold.lock();
        if (--away == 0) all_home.notify_one();
        hold.unlock();
        for (int look = 0; look < looks && round.load() == seen; ++look)
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

Crew::Crew() = default;

Crew::~Crew() {
    if (!own_) return;
    {
        const std::lock_guard<std::mutex> hold(own_->guard);
        own_->over = true;
        ++own_->round;
    }
    own_->work_is_there.notify_all();
    for (std::thread& thread : own_->threads)
        thread.join();
}

void Crew::run(int threads, const Work& work) {
    if (threads <= 1) return work(0);
    if (!own_) own_ = std::make_unique<Own>();
    Own& own = *own_;
    if (!own.refused) own.grow(threads);
    {
        const std::lock_guard<std::mutex> hold(own.guard);
        own.work = &work;
        own.called = threads;
        ++own.round;
    }
    own.work_is_there.notify_all();
    work(0);
    std::unique_lock<std::mutex> hold(own.guard);
    own.work = nullptr; // who has not begun need not
    own.all_home.wait(hold, [&] { return own.away == 0; });
}

} // namespace fastfuse
