#include "labels/products.hpp"

#include <cstring>

#include "support/simd.hpp"

namespace fastfuse {
namespace {

using Number = Factors::Number;

// `known`: how many raters there are, where the loop over them is to be unrolled; 0: `raters`.
template <int known>
void multiply_by(const Number* number, const Code* code, std::int64_t n, int raters, const double* factor,
                 const double* prior, double* weight) {
    const int count = known ? known : raters;
    for (std::int64_t k = 0; k < n; ++k, number += count) {
        double product = prior[code[k]];
        for (int i = 0; i < count; ++i)
            product *= factor[number[i]];
        weight[k] = product;
    }
}

template <int known>
void add_to(const Number* number, const Code* code, std::int64_t n, int raters, const double* weight,
            double* counted, double* mass) {
    const int count = known ? known : raters;
    for (std::int64_t k = 0; k < n; ++k, number += count) {
        const double w = weight[k];
        mass[code[k]] += w;
        for (int i = 0; i < count; ++i)
            counted[number[i]] += w;
    }
}

} // namespace

void multiply(const Factors& factors, int raters, std::int64_t begin, std::int64_t end, const double* factor,
              const double* prior, double* weight) {
    constexpr decltype(&multiply_by<0>) by[] = {multiply_by<0>, multiply_by<1>, multiply_by<2>,
                                                multiply_by<3>, multiply_by<4>, multiply_by<5>,
                                                multiply_by<6>, multiply_by<7>, multiply_by<8>};
    by[raters <= 8 ? raters : 0](factors.of_candidate(begin), factors.code() + begin, end - begin, raters,
                                 factor, prior, weight);
}

void add(const Factors& factors, int raters, std::int64_t begin, std::int64_t end, const double* weight,
         double* counted, double* mass) {
    constexpr decltype(&add_to<0>) to[] = {add_to<0>, add_to<1>, add_to<2>, add_to<3>, add_to<4>,
                                           add_to<5>, add_to<6>, add_to<7>, add_to<8>};
    to[raters <= 8 ? raters : 0](factors.of_candidate(begin), factors.code() + begin, end - begin, raters,
                                 weight, counted, mass);
}

// x = 2^k m, √½ ≤ m < √2    s = (m − 1) / (m + 1)    log m = 2s + 2s³/3 + 2s⁵/5 + …, the rest by a polynomial
// (FreeBSD's e_log.c)
FASTFUSE_CLONES void logarithms(const double* of, std::int64_t n, double* logarithm) {
    constexpr std::uint64_t half_root = 0x3fe6a09e00000000, one = 0x3ff0000000000000;
    constexpr std::uint64_t mantissa = 0x000fffffffffffff, whole = 0x4330000000000000; // 2^52
    constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    for (std::int64_t j = 0; j < n; ++j) {
        std::uint64_t bits;
        std::memcpy(&bits, of + j, sizeof bits);
        bits += one - half_root;
        const std::uint64_t shifted = bits >> 52 | whole, rest = (bits & mantissa) + half_root;
        double k, m;
        std::memcpy(&k, &shifted, sizeof k);
        std::memcpy(&m, &rest, sizeof m);
        k -= 0x1p52 + 1023;
        const double f = m - 1, s = f / (2 + f), z = s * s, w = z * z, half = 0.5 * f * f;
        const double odd =
            z *
            (6.666666666666735130e-01 +
             w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
        const double even =
            w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
        logarithm[j] = k * ln2_high - ((half - (s * (half + odd + even) + k * ln2_low)) - f);
    }
}

} // namespace fastfuse
