// The model that the options ask for.
#pragma once

#include "fastfuse/plan.hpp"

namespace fastfuse {

Model model_of(const Options& options);

} // namespace fastfuse
