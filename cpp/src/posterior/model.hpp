// The model that the options ask for.
#pragma once

#include "fastfuse/fusion.hpp"
#include "fastfuse/model.hpp"

namespace fastfuse {

Model model_of(const Options& options);

} // namespace fastfuse
