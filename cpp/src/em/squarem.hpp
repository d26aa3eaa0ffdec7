// Where two EM steps are heading.
#pragma once

#include "posterior/product.hpp"

namespace fastfuse {

// Extrapolates all sensitivities and specificities, and of the prior where it moves.
Performance extrapolate(const Performance& first, const Performance& second, const Performance& third,
                        bool with_prior);

} // namespace fastfuse
