#include "fastfuse/threads.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace fastfuse {
namespace {

constexpr int largest_team = 256;

std::atomic<bool> forked{false};

#if defined(__unix__) || defined(__APPLE__)
// A team that OpenMP made in the parent does not exist in the child: waiting for it would hang.
const int watch_forks = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });
#endif

int processors() {
#ifdef _OPENMP
    return omp_get_num_procs();
#else
    return 1;
#endif
}

int default_threads() {
#ifdef _OPENMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

// The calling thread has no job left, but nobody else may ask whether to stop.
void ask_while_others_work(const std::atomic<int>& working, const Worker& worker) {
    for (int round = 0; working.load() > 1; ++round) {
        if (round < 100)
            std::this_thread::yield();
        else
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        static_cast<void>(worker.stopped());
    }
}

} // namespace

bool Watch::should_stop() {
    const Clock::time_point now = Clock::now();
    if (!ask_ || now < due_) return false;
    due_ = now + period;
    return ask_();
}

void Stop::fail(std::int64_t job) {
    std::int64_t first = first_failed_.load();
    while (job < first && !first_failed_.compare_exchange_weak(first, job)) {
    }
}

bool Stop::poll(int thread, std::int64_t job) {
    if (thread == 0 && !interrupted() && watch_.should_stop())
        interrupted_.store(true, std::memory_order_relaxed);
    return interrupted() || first_failed_.load(std::memory_order_relaxed) < job;
}

Team::Team(int asked, ShouldStop ask) : watch_(std::move(ask)) {
    const int wanted = asked > 0 ? asked : default_threads();
    size_ = forked.load() ? 1 : std::clamp(std::min(wanted, processors()), 1, largest_team);
}

void Team::look() const {
    if (watch_.should_stop()) throw Interrupted();
}

void Team::run(std::int64_t jobs, const Job& job, int most_threads) const {
    Stop stop(watch_);
    std::exception_ptr failure;
    std::int64_t failed_job = jobs;
    std::mutex failure_guard;
    std::atomic<std::int64_t> next{0};
    std::atomic<int> working{0};
    const auto work = [&](int thread) {
        const Worker between_jobs{thread, jobs, stop};
        std::int64_t mine = -1;
        working.fetch_add(1);
        try {
            while (!between_jobs.stopped() && (mine = next.fetch_add(1)) < jobs)
                job(mine, Worker{thread, mine, stop});
            if (thread == 0) ask_while_others_work(working, between_jobs);
        } catch (...) {
            const std::lock_guard<std::mutex> hold(failure_guard);
            if (mine < failed_job) {
                failed_job = mine;
                failure = std::current_exception();
            }
            stop.fail(mine);
        }
        working.fetch_sub(1);
    };
    [[maybe_unused]] const int threads =
        static_cast<int>(std::clamp<std::int64_t>(jobs, 1, std::min(size_, most_threads)));
#ifdef _OPENMP
    if (threads > 1) {
#pragma omp parallel num_threads(threads)
        work(omp_get_thread_num());
    } else {
        work(0);
    }
#else
    work(0);
#endif
    if (stop.interrupted())
        throw Interrupted(); // before any failure: the signal has been taken, and must not be lost
    if (failure) std::rethrow_exception(failure);
}

} // namespace fastfuse
