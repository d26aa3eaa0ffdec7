// The engine that a plan names.
#pragma once

#include <memory>

#include "engine.hpp"
#include "engines/disputed.hpp"

namespace fastfuse {

// `region`: where the voxels on which all agree are left out; may be null.
std::unique_ptr<Engine> make_engine(const Task& task, const Region* region);

} // namespace fastfuse
