// Short vectors of floats or doubles, as the compiler spells them: a kernel is written once for every
// instruction set. Compilers without such vectors get lanes of one value.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__GNUC__)
#define FASTFUSE_INLINE inline __attribute__((always_inline))
#else
#define FASTFUSE_INLINE inline
#endif

namespace fastfuse::kernels {

template <class T> struct BitsOf;
template <> struct BitsOf<float> {
    using type = std::int32_t;
    using plain = std::uint32_t;
    static constexpr type sign_and_mantissa = static_cast<type>(0x807fffffu), one = 0x3f800000, bias = 127;
    static constexpr int mantissa = 23;
};
template <> struct BitsOf<double> {
    using type = std::int64_t;
    using plain = std::uint64_t;
    static constexpr type sign_and_mantissa = static_cast<type>(0x800fffffffffffffu);
    static constexpr type one = 0x3ff0000000000000, bias = 1023;
    static constexpr int mantissa = 52;
};

#if defined(__GNUC__)
template <class T, int bytes> struct LanesOf {
    typedef T type __attribute__((vector_size(bytes)));
};
#else
template <class T, int bytes> struct LanesOf {
    using type = T;
};
#endif
template <class T, int bytes> using Lanes = typename LanesOf<T, bytes>::type;
template <class T, int bytes> constexpr int lanes_in = static_cast<int>(sizeof(Lanes<T, bytes>) / sizeof(T));

template <class L, class T> FASTFUSE_INLINE L load(const T* from) {
    L lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

// Asks for what will be read soon; an address beyond the array does no harm.
template <class T> FASTFUSE_INLINE void fetch([[maybe_unused]] const T* place) {
#if defined(__GNUC__)
    __builtin_prefetch(place);
#endif
}

template <class L, class T> FASTFUSE_INLINE void store(T* to, L lanes) {
    std::memcpy(to, &lanes, sizeof lanes);
}

template <class L, class T> FASTFUSE_INLINE L broadcast(T value) {
    return value - L{}; // x − 0 is x, also for negative zero
}

// Whether a bit is set in lanes of integers.
template <class L> FASTFUSE_INLINE bool any_bit(const L& lanes) {
    std::uint64_t parts[sizeof(L) / 8], any = 0;
    std::memcpy(parts, &lanes, sizeof lanes);
    for (const std::uint64_t part : parts)
        any |= part;
    return any != 0;
}

// The lanes' sum, halves upon each other.
template <class T, int bytes> FASTFUSE_INLINE double sum(Lanes<T, bytes> lanes) {
    if constexpr (lanes_in<T, bytes> == 1) {
        T value;
        std::memcpy(&value, &lanes, sizeof value);
        return static_cast<double>(value);
    } else {
        struct {
            Lanes<T, bytes / 2> low, high;
        } half;
        static_assert(sizeof half == sizeof lanes);
        std::memcpy(&half, &lanes, sizeof lanes);
        return sum<T, bytes / 2>(half.low + half.high);
    }
}

} // namespace fastfuse::kernels
