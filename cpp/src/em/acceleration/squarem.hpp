// Extrapolation from two EM steps.
#pragma once

#include "posterior/product.hpp"

namespace fastfuse {

// Extrapolates all sensitivities and specificities, and the prior where it is estimated.
Performance extrapolate(const Performance& first, const Performance& second, const Performance& third,
                        bool with_prior);

} // namespace fastfuse
