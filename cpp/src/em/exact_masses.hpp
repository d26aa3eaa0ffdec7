// Gathers the masses and moments of binary patterns as whole numbers: see fastfuse/mass_sums.hpp.
#pragma once

#include <optional>

#include "fastfuse/mass_sums.hpp"
#include "fastfuse/threads.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// Nothing for more raters, or more groups of raters without a vote, than memory is meant for.
std::optional<MassSums> gather_exactly(const Rows& rows, const Team& team);

} // namespace fastfuse
