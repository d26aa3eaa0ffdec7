#include "labels/soft/columns.hpp"

#include <array>
#include <cstddef>

#include "support/simd.hpp"

namespace fastfuse::columns {

FASTFUSE_CLONES
void add(double factor, const double* from, std::int64_t n, double* to) {
    for (std::int64_t k = 0; k < n; ++k)
        to[k] += factor * from[k];
}

FASTFUSE_CLONES
void multiply(const double* from, std::int64_t n, double* to) {
    for (std::int64_t k = 0; k < n; ++k)
        to[k] *= from[k];
}

FASTFUSE_CLONES
double dot(const double* one, const double* other, std::int64_t n) {
    constexpr std::int64_t lanes = 16; // sums side by side, in a fixed order
    std::array<double, lanes> sums{};
    std::int64_t k = 0;
    for (; k + lanes <= n; k += lanes)
        for (std::int64_t lane = 0; lane < lanes; ++lane)
            sums[static_cast<std::size_t>(lane)] += one[k + lane] * other[k + lane];
    double sum = 0;
    for (const double part : sums)
        sum += part;
    for (; k < n; ++k)
        sum += one[k] * other[k];
    return sum;
}

FASTFUSE_CLONES
void divide(const double* one, const double* by, std::int64_t n, double* to) {
    for (std::int64_t k = 0; k < n; ++k)
        to[k] = by[k] > 0 ? one[k] / by[k] : 0;
}

} // namespace fastfuse::columns
