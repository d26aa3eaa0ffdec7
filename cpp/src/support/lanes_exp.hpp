// The exponential function in lanes of doubles, in operations that every instruction set has.
#pragma once

#include <cstdint>
#include <cstring>

#include "support/lanes.hpp"

namespace fastfuse::kernels {

// 2^k, for k in [−1022, 1023], a whole number.
template <int bytes> FASTFUSE_INLINE Lanes<double, bytes> power_of_two(const Lanes<double, bytes>& k) {
    using Doubles = Lanes<double, bytes>;
    using Words = Lanes<std::int64_t, bytes>;
    const Doubles shifted = k + broadcast<Doubles>(1023 + 0x1p52); // k + 1023 in the lowest bits
    Words bits;
    std::memcpy(&bits, &shifted, sizeof bits);
    bits <<= 52;
    Doubles power;
    std::memcpy(&power, &bits, sizeof power);
    return power;
}

// e^x of x in [−700, 0], to 2 units in the last place: e^x = 2^k e^r, |r| ≤ ln 2 / 2, Taylor to r^13.
template <int bytes> FASTFUSE_INLINE Lanes<double, bytes> exp_of_negative(const Lanes<double, bytes>& x) {
    using Doubles = Lanes<double, bytes>;
    constexpr double log2_e = 1.4426950408889634, magic = 0x1.8p52;
    constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
    const Doubles k = (x * log2_e + magic) - magic; // to the nearest whole number
    const Doubles r = (x - k * ln2_high) - k * ln2_low;
    Doubles sum = r * (1.0 / 6227020800) + 1.0 / 479001600;
    sum = sum * r + 1.0 / 39916800;
    sum = sum * r + 1.0 / 3628800;
    sum = sum * r + 1.0 / 362880;
    sum = sum * r + 1.0 / 40320;
    sum = sum * r + 1.0 / 5040;
    sum = sum * r + 1.0 / 720;
    sum = sum * r + 1.0 / 120;
    sum = sum * r + 1.0 / 24;
    sum = sum * r + 1.0 / 6;
    sum = sum * r + 1.0 / 2;
    sum = sum * r + 1;
    sum = sum * r + 1;
    return sum * power_of_two<bytes>(k);
}

} // namespace fastfuse::kernels
