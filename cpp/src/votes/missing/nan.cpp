#include "votes/missing/nan.hpp"

#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

template <class T> FASTFUSE_INLINE bool holds_nan(const T* votes, std::int64_t n) {
    int odd = 0;
    for (std::int64_t k = 0; k < n; ++k)
        odd |= votes[k] != votes[k]; // NaN alone
    return odd != 0;
}

} // namespace

FASTFUSE_CLONES bool has_nan(const float* votes, std::int64_t n) { return holds_nan(votes, n); }

FASTFUSE_CLONES bool has_nan(const double* votes, std::int64_t n) { return holds_nan(votes, n); }

} // namespace fastfuse
