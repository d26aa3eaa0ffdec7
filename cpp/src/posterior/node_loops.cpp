#include "posterior/node_loops.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "support/simd.hpp"

namespace fastfuse {
namespace {

constexpr std::size_t lanes = 8;

using Lanes = std::array<double, lanes>;

double total(const Lanes& parts) {
    double sum = 0;
    for (const double part : parts)
        sum += part;
    return sum;
}

} // namespace

FASTFUSE_CLONES void turn_by(double base, double first, double step, std::size_t n, double* real,
                             double* imaginary) {
    for (std::size_t k = 0; k < lanes; ++k) {
        const double angle = base * (first + static_cast<double>(k) * step);
        real[k] = std::cos(angle);
        imaginary[k] = std::sin(angle);
    }
    const double by = base * step * static_cast<double>(lanes);
    const double cosine = std::cos(by), sine = std::sin(by);
    for (std::size_t k = lanes; k < n; k += lanes)
        for (std::size_t l = k; l < k + lanes; ++l) {
            real[l] = real[l - lanes] * cosine - imaginary[l - lanes] * sine;
            imaginary[l] = real[l - lanes] * sine + imaginary[l - lanes] * cosine;
        }
}

FASTFUSE_CLONES void multiply(std::size_t n, double q, const double* cosine, const double* sine,
                              const double* from_real, const double* from_imaginary, double* real,
                              double* imaginary) {
    for (std::size_t k = 0; k < n; ++k) {
        const double x = 1 - q + q * cosine[k], y = q * sine[k];
        const double r = from_real[k], i = from_imaginary[k];
        real[k] = r * x - i * y;
        imaginary[k] = r * y + i * x;
    }
}

FASTFUSE_CLONES void multiply_both(std::size_t n, double q1, const double* cosine1, const double* sine1,
                                   double q2, const double* cosine2, const double* sine2, double* real,
                                   double* imaginary) {
    for (std::size_t k = 0; k < n; ++k) {
        const double x1 = 1 - q1 + q1 * cosine1[k], y1 = q1 * sine1[k];
        const double x2 = 1 - q2 + q2 * cosine2[k], y2 = q2 * sine2[k];
        const double x = x1 * x2 - y1 * y2, y = x1 * y2 + y1 * x2;
        const double r = real[k], i = imaginary[k];
        real[k] = r * x - i * y;
        imaginary[k] = r * y + i * x;
    }
}

FASTFUSE_CLONES void weigh(std::size_t n, const double* weight, const double* log_weight, const double* real,
                           const double* imaginary, double& odd, double& even) {
    Lanes a{}, b{};
    for (std::size_t k = 0; k < n; k += lanes)
        for (std::size_t l = 0; l < lanes; ++l) {
            a[l] += weight[k + l] * imaginary[k + l];
            b[l] += log_weight[k + l] * (1 - real[k + l]);
        }
    odd += total(a);
    even += total(b);
}

FASTFUSE_CLONES void weigh_without(std::size_t n, const double* weight, const double* cosine,
                                   const double* sine, const double* prefix_real,
                                   const double* prefix_imaginary, const double* suffix_real,
                                   const double* suffix_imaginary, double& without, double& with_mark) {
    Lanes a{}, b{};
    for (std::size_t k = 0; k < n; k += lanes)
        for (std::size_t l = 0; l < lanes; ++l) {
            const std::size_t m = k + l;
            const double r = prefix_real[m] * suffix_real[m] - prefix_imaginary[m] * suffix_imaginary[m];
            const double i = prefix_real[m] * suffix_imaginary[m] + prefix_imaginary[m] * suffix_real[m];
            a[l] += weight[m] * i;
            b[l] += weight[m] * (r * sine[m] + i * cosine[m]);
        }
    without += total(a);
    with_mark += total(b);
}

FASTFUSE_CLONES double largest_square(std::size_t n, const double* real, const double* imaginary) {
    Lanes most{};
    for (std::size_t k = 0; k < n; k += lanes)
        for (std::size_t l = 0; l < lanes; ++l)
            most[l] = std::max(most[l], real[k + l] * real[k + l] + imaginary[k + l] * imaginary[k + l]);
    return *std::max_element(most.begin(), most.end());
}

} // namespace fastfuse
