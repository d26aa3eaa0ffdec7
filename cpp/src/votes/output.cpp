#include "fastfuse/output.hpp"

#include "support/simd.hpp"

namespace fastfuse {
namespace {

FASTFUSE_CLONES void fill_floats(float* to, std::int64_t n, float value) {
    for (std::int64_t k = 0; k < n; ++k)
        to[k] = value;
}

FASTFUSE_CLONES void fill_doubles(double* to, std::int64_t n, double value) {
    for (std::int64_t k = 0; k < n; ++k)
        to[k] = value;
}

} // namespace

void Output::fill(std::int64_t first, std::int64_t n, double value) const {
    if (wide)
        fill_doubles(place<double>(first), n, value);
    else
        fill_floats(place<float>(first), n, static_cast<float>(value));
}

} // namespace fastfuse
