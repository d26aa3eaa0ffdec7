// OpenMP's threads. OpenMP ends the process where it cannot make a thread, so that each is made by way of
// trial before.
#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "support/crew.hpp"
#include "support/room.hpp"

namespace fastfuse {
namespace {

std::atomic<bool> forked{false};

// Threads that OpenMP made in the parent do not exist in the child: waiting for them would hang.
const int watch_forks = pthread_atfork(nullptr, nullptr, [] { forked.store(true); });

const std::size_t stack_bytes = openmp_stack_bytes(); // OpenMP, too, asks the environment at the start

// The threads that OpenMP keeps from one run to the next for a calling thread, which is one of them.
struct Pool {
    std::atomic<int> alive{1};
    int last = 1; // threads of the last run: OpenMP lets the others go

    int kept() const { return std::min(alive.load(), last); }
};

void leave(void* pool) {
    auto* left = static_cast<Pool*>(pool);
    if (left->alive.fetch_sub(1) == 1) delete left;
}

// Calls `leave` when a thread ends. A thread_local object is no choice: the process ends if there is no
// memory for it.
struct Key {
    Key() : made(pthread_key_create(&key, leave) == 0) {}
    Pool* pool() const { return made ? static_cast<Pool*>(pthread_getspecific(key)) : nullptr; }
    bool set(Pool* pool) const { return made && pthread_setspecific(key, pool) == 0; }
    pthread_key_t key;
    bool made;
};
const Key key;

void join(Pool& pool) {
    Pool* before = key.pool();
    if (before == &pool) return;
    if (before) leave(before);
    pool.alive.fetch_add(1);
    if (!key.set(&pool)) pool.alive.fetch_sub(1);
}

// One caller at a time makes threads: each would find room, and both together not.
std::mutex growing;

// A spare thread leaves room for others who make threads meanwhile.
int threads_within_reach(int wanted, const Pool* pool) {
    const int kept = pool ? pool->kept() : 1;
    if (wanted <= kept) return wanted;
    const int got =
        std::min(wanted, kept + std::max(room_for_threads(wanted - kept + 1, stack_bytes) - 1, 0));
    if (got < wanted) note_shortage(wanted, got);
    return got;
}

bool only_one_allowed() { return omp_get_active_level() >= omp_get_max_active_levels(); }

} // namespace

struct Crew::Own {
    int most = omp_get_thread_limit(); // less where the system gives no more
};

const char* Crew::threads_by() { return "OpenMP"; }

int Crew::most(int asked) {
    if (forked.load()) return 1;
    return std::min(asked > 0 ? asked : omp_get_max_threads(), omp_get_num_procs());
}

Crew::Crew() : own_(std::make_unique<Own>()) {}

Crew::~Crew() = default;

void Crew::run(int threads, const Work& work) {
    threads = std::min(threads, own_->most);
    if (threads <= 1 || only_one_allowed()) return work(0);
    Pool* pool = key.pool();
    if (!pool && !key.set(pool = new Pool)) {
        delete pool;
        pool = nullptr;
    }
    std::unique_lock<std::mutex> hold;
    if (!pool || threads > pool->kept()) hold = std::unique_lock<std::mutex>(growing);
    const int got = threads_within_reach(threads, pool);
    if (got < threads) own_->most = got;
    if (got == 1) return work(0);
#pragma omp parallel num_threads(got)
    {
        const int thread = omp_get_thread_num();
        if (thread > 0 && pool) join(*pool);
        if (thread == 0 && hold) hold.unlock(); // all have been made
        work(thread);
    }
    if (pool) pool->last = got;
}

} // namespace fastfuse
