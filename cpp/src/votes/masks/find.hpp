// The vote table of masks, from their patterns of bits.
#pragma once

#include <cstdint>
#include <optional>

#include "votes/tabulation.hpp"

namespace fastfuse::masks {

struct NotMasks {}; // thrown where a vote, or the mask, is neither 0 nor 1

// As find_patterns, of votes that may be masks.
std::optional<Tabulation> find_patterns(const Votes& votes, const Output* notes, std::int64_t capacity,
                                        const Team& team, std::int64_t most_lone);

} // namespace fastfuse::masks
