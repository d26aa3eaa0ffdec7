// The threads that a team runs on: OpenMP's in crew_openmp.cpp, our own in crew_std.cpp. The build chooses.
#pragma once

#include <functional>
#include <memory>

namespace fastfuse {

class Crew {
  public:
    static const char* threads_by();

    // How many threads a team may have of which so many are asked for; 0: as many as the process may use.
    static int most(int asked);

    Crew();
    ~Crew();
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    using Work = std::function<void(int thread)>;

    // Calls work(0) here and, at the same time, work(1) … work(threads - 1) elsewhere. Returns when all that
    // were called have returned. Not all need be called: work(0) goes on until nothing is left to do.
    // `work` does not throw.
    void run(int threads, const Work& work);

    struct Own;

  private:
    std::unique_ptr<Own> own_;
};

// Notes that the system gave no more than `got` of the `wanted` threads.
void note_shortage(int wanted, int got);

} // namespace fastfuse
