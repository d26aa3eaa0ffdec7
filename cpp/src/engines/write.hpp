// The consensus of every voxel, from rows to the output.
#pragma once

#include <functional>
#include <memory>

#include "em/em.hpp"
#include "em/masses.hpp"
#include "engines/agreement.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/pattern_index.hpp"
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

Written write_patterns(const TableRows& rows, const PatternIndex& index, const MakeConsenter& make,
                       const Output& to, const Team& team, int most_consenters);
Written write_voxels(const Votes& votes, const MakeConsenter& make, const Output& to, const Team& team,
                     int most_consenters);

} // namespace fastfuse
