// Whether a run of votes holds a NaN.
#pragma once

#include <cstdint>

namespace fastfuse {

bool has_nan(const float* votes, std::int64_t n);
bool has_nan(const double* votes, std::int64_t n);

} // namespace fastfuse
