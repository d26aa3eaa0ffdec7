// EM that starts on a sample of the voxels, so that it needs few passes over all of them.
//
//   F(θ)   where one EM step leads from θ; EM ends where θ = F(θ)
//   f(θ)   the same of the sample
//   J      the Jacobian of f near its fixed point, by differences
//
// EM on the sample leads to where f stands still. From there
//
//   θ ← θ + (I − J)^−1 (F(θ) − θ)
//
// is Newton's method, with the sample's Jacobian. Broyden's update corrects the inverse after each pass: A
// class of methods for solving nonlinear simultaneous equations, Mathematics of Computation 19, 1965. It
// ends where both F(θ) − θ and the step, which estimates how far off the end is, are within the tolerance.
#pragma once

#include <functional>
#include <optional>

#include "em/em.hpp"

namespace fastfuse {

// Sums of an E-step of the sample; nothing where it has none, or a product might underflow.
using SampledEStep = std::function<std::optional<Sums>(const Performance& performance)>;

// Starts from `first`, the sums of the mean vote of all voxels. Where the sample misleads, all is done again
// by plain EM.
Estimate sampled_em(const EStep& expectation, const SampledEStep& of_sample, const Options& options,
                    const Performance& performance, const Sums& first);

} // namespace fastfuse
