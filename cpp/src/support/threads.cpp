#include "fastfuse/threads.hpp"

#include <algorithm>
#include <mutex>
#include <thread>
#include <utility>

#include "support/crew.hpp"

namespace fastfuse {
namespace {

constexpr int largest_team = 256;

constexpr std::int64_t none = 0, told = -1;
std::atomic<std::int64_t> shortage{none}; // else: wanted · 2^32 + got

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

const char* threads_by() { return Crew::threads_by(); }

void note_shortage(int wanted, int got) {
    std::int64_t first = none;
    shortage.compare_exchange_strong(first, static_cast<std::int64_t>(wanted) << 32 | got);
}

std::optional<Shortage> take_shortage() {
    std::int64_t found = shortage.load();
    if (found == none || found == told || !shortage.compare_exchange_strong(found, told)) return std::nullopt;
    return Shortage{static_cast<int>(found >> 32), static_cast<int>(found & 0xffffffff)};
}

Team::Team(int asked, ShouldStop ask)
    : size_(std::clamp(Crew::most(asked), 1, largest_team)), watch_(std::move(ask)),
      crew_(std::make_unique<Crew>()) {}

Team::~Team() = default;

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
    crew_->run(static_cast<int>(std::clamp<std::int64_t>(jobs, 1, std::min(size_, most_threads))),
               std::cref(work));
    if (stop.interrupted())
        throw Interrupted(); // before any failure: the signal has been taken, and must not be lost
    if (failure) std::rethrow_exception(failure);
}

} // namespace fastfuse
