// Functions that find the consensus of rows.
#pragma once

#include <functional>
#include <memory>

#include "em/em.hpp"
#include "em/masses.hpp"
#include "fastfuse/threads.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// Finds w of each row of a batch. Scratch of one thread.
class Consenter {
  public:
    virtual ~Consenter() = default;
    virtual const Posterior& operator()(const Batch& batch, const Worker& worker) = 0;
};

using MakeConsenter = std::function<std::unique_ptr<Consenter>()>;

// Finds w of each row by itself: `find(batch, row)`.
template <class Find> class ByRow : public Consenter {
  public:
    explicit ByRow(const Find& find) : find_(find) {}

    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        Pace pace(worker);
        posterior_.make_room(batch.rows);
        for (std::int64_t row = 0; row < batch.rows; ++row) {
            if (pace.stopped_after(batch.raters + 8)) break;
            posterior_.foreground[static_cast<std::size_t>(row)] = find_(batch, row);
        }
        return posterior_;
    }

  private:
    const Find find_;
    Posterior posterior_;
};

// What `find` refers to must live as long as the consenters.
template <class Find> MakeConsenter by_row(const Find& find) {
    return [=] { return std::make_unique<ByRow<Find>>(find); };
}

// The performance, and the masses, must live as long as the consenters.
MakeConsenter by_expectation(Model model, const Performance& performance);
MakeConsenter by_masses(const Masses& masses);

} // namespace fastfuse
