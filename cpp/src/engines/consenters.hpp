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

// The performance, and the masses, must live as long as the consenters.
MakeConsenter by_expectation(Model model, const Performance& performance);
MakeConsenter by_masses(const Masses& masses);

} // namespace fastfuse
