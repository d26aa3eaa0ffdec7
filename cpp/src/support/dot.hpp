// The sum of products.
#pragma once

#include <cstdint>

namespace fastfuse {

// Σ a b over n values. Every instruction set adds in the same order.
double dot(const double* a, const double* b, std::int64_t n);

} // namespace fastfuse
