// What walks over votes that lie on a CUDA device. Where the library is built without CUDA, all of it throws
// cuda::Unavailable.
#pragma once

#include <memory>
#include <optional>

#include "engines/passes.hpp"
#include "fastfuse/cuda.hpp"
#include "votes/tabulation.hpp"

namespace fastfuse::cuda {

// The distinct patterns of votes with few values; nothing if they have many, or make too many patterns.
struct Found {
    std::optional<Tabulation> patterns;
    bool few_values = false;
};
Found find_patterns(const Votes& votes);

// All other votes. `fine`: in double precision, except for masses. `by_nodes`: soft-STAPLE by the
// characteristic function.
std::unique_ptr<Passes> passes(const Votes& votes, bool fine, bool by_nodes);

} // namespace fastfuse::cuda
