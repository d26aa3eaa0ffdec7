// Threads: numbered jobs on a team, with a way to stop them from outside.
#pragma once

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace fastfuse {

// Asked every 50 ms on the calling thread; true ends the work with Interrupted.
using ShouldStop = std::function<bool()>;

struct Interrupted : std::exception {
    const char* what() const noexcept override { return "interrupted"; }
};

// Asks every 50 ms, however many short runs a call consists of.
class Watch {
  public:
    explicit Watch(ShouldStop ask) : ask_(std::move(ask)), due_(Clock::now() + period) {}
    bool should_stop();
    // Throws Interrupted if the work is to end.
    void look() {
        if (should_stop()) throw Interrupted();
    }

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds period{50};
    ShouldStop ask_;
    Clock::time_point due_;
};

// Asks whether to stop once in a while, measured in work done, where no job does: throws Interrupted.
class Patience {
  public:
    explicit Patience(Watch& watch) : watch_(watch) {}
    void after(std::int64_t work) {
        done_ += work;
        if (done_ < work_between_looks) return;
        done_ = 0;
        watch_.look();
    }

  private:
    static constexpr std::int64_t work_between_looks = 1 << 16;
    Watch& watch_;
    std::int64_t done_ = 0;
};

// What every job of one run looks at.
class Stop {
  public:
    explicit Stop(Watch& watch) : watch_(watch) {}
    void fail(std::int64_t job);
    // Whether this job is in vain: from outside, or since an earlier one failed. The failure of a later one
    // stops no job, or its own failure, the first, would never be known. Only the calling thread (thread 0)
    // asks outside; the others look at the flag.
    bool poll(int thread, std::int64_t job);
    bool interrupted() const { return interrupted_.load(std::memory_order_relaxed); }

  private:
    Watch& watch_;
    std::atomic<bool> interrupted_{false};
    std::atomic<std::int64_t> first_failed_{INT64_MAX};
};

// A job, and the thread that it runs on.
struct Worker {
    int thread;
    std::int64_t job;
    Stop& stop;
    bool stopped() const { return stop.poll(thread, job); }
};

// Asks whether to stop once in a while, measured in work done.
class Pace {
  public:
    explicit Pace(const Worker& worker) : worker_(worker) {}
    bool stopped_after(std::int64_t work) {
        done_ += work;
        if (done_ < work_between_polls) return false;
        done_ = 0;
        return worker_.stopped();
    }

  private:
    static constexpr std::int64_t work_between_polls = 1 << 14;
    const Worker& worker_;
    std::int64_t done_ = 0;
};

// The system gave no more than `got` of the `wanted` threads.
struct Shortage {
    int wanted, got;
};

// The first one of this process; nothing if there was none, or it has been told before.
std::optional<Shortage> take_shortage();

// Whose threads teams consist of: "OpenMP" or "std::thread".
const char* threads_by();

class Crew;

class Team {
  public:
    // `asked` threads, 0 for as many as the process may use; with OpenMP one in a forked child, where its
    // threads no longer exist. Fewer work where the system gives no more: the work gets done nevertheless.
    Team(int asked, ShouldStop ask);
    ~Team();
    int size() const { return size_; }

    using Job = std::function<void(std::int64_t job, const Worker& worker)>;

    // For steps that are not its own.
    Watch& watch() const { return watch_; }
    // Throws Interrupted if the work is to end: between such steps.
    void look() const { watch_.look(); }

    // On at most so many threads. Starts jobs 0 … jobs-1 in this order, each on some thread. Once every
    // thread has come home it throws what the lowest failed job threw, or Interrupted.
    void run(std::int64_t jobs, const Job& job, int most_threads = INT_MAX) const;

  private:
    int size_;
    mutable Watch watch_;
    std::unique_ptr<Crew> crew_;
};

// Scratch that each thread of a team makes when it first needs it.
template <class T> class PerThread {
  public:
    explicit PerThread(const Team& team) : own_(static_cast<std::size_t>(team.size())) {}

    // What `make` answers is built in place.
    template <class Make> T& of(const Worker& worker, const Make& make) {
        auto& own = own_[static_cast<std::size_t>(worker.thread)];
        if (!own) own.reset(new T(make()));
        return *own;
    }

    template <class Look> void each(const Look& look) const {
        for (const auto& own : own_)
            if (own) look(*own);
    }

  private:
    std::vector<std::unique_ptr<T>> own_;
};

} // namespace fastfuse
