#include "support/dot.hpp"

#include <array>
#include <cstddef>

#include "support/simd.hpp"

namespace fastfuse {

// Eight running sums.
FASTFUSE_CLONES double dot(const double* a, const double* b, std::int64_t n) {
    std::array<double, 8> lane{};
    std::int64_t r = 0;
    for (; r + 8 <= n; r += 8)
        for (std::int64_t k = 0; k < 8; ++k)
            lane[static_cast<std::size_t>(k)] += a[r + k] * b[r + k];
    for (; r < n; ++r)
        lane[static_cast<std::size_t>(r % 8)] += a[r] * b[r];
    double sum = 0;
    for (const double part : lane)
        sum += part;
    return sum;
}

} // namespace fastfuse
