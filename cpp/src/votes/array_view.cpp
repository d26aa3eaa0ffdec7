#include "fastfuse/array_view.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#endif

#include "fastfuse/simd.hpp"
#include "support/lanes.hpp"
#include "support/simd.hpp"
#include "votes/layout/axes.hpp"

namespace fastfuse {
namespace {

struct Boolean {
    std::uint8_t byte; // true unless 0
};

template <class To> To converted(Boolean value) { return static_cast<To>(value.byte != 0); }
template <class To, class T> To converted(T value) { return static_cast<To>(value); }

template <class T, class To> void convert(const std::byte* from, std::int64_t n, To* to) {
    for (std::int64_t k = 0; k < n; ++k) {
        T value;
        std::memcpy(&value, from + k * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
        to[k] = converted<To>(value);
    }
}

constexpr std::int64_t halves_at_once = 64;

// Halves as floats, by integers: the exponent moves by 112, once more for infinity and nan; those below the
// least normal number are multiples of 2^-24. n ≤ halves_at_once.
FASTFUSE_INLINE void convert_some_halves(const std::byte* from, std::int64_t n, float* to) {
    constexpr auto chunk = static_cast<std::size_t>(halves_at_once);
    std::array<std::uint16_t, chunk> half{};
    std::array<std::uint32_t, chunk> bits, small;
    std::array<float, chunk> multiples;
    std::memcpy(half.data(), from, static_cast<std::size_t>(n) * sizeof half[0]);
    for (std::size_t k = 0; k < chunk; ++k)
        multiples[k] = static_cast<float>(half[k] & 0x7fff) * 0x1p-24f;
    std::memcpy(small.data(), multiples.data(), sizeof small);
    for (std::size_t k = 0; k < chunk; ++k) {
        const std::uint32_t magnitude = half[k] & 0x7fffu, shift = 112u << 23;
        const std::uint32_t normal = (magnitude << 13) + shift + (magnitude >= 0x7c00u ? shift : 0u);
        bits[k] = (magnitude < 0x400u ? small[k] : normal) | (half[k] & 0x8000u) << 16;
    }
    std::memcpy(to, bits.data(), static_cast<std::size_t>(n) * sizeof bits[0]);
}

FASTFUSE_CLONES void convert_halves_anywhere(const std::byte* from, std::int64_t n, float* to) {
    std::int64_t k = 0;
    for (; k + halves_at_once <= n; k += halves_at_once)
        convert_some_halves(from + 2 * k, halves_at_once, to + k);
    if (k < n) convert_some_halves(from + 2 * k, n - k, to + k);
}

#if defined(__GNUC__) && defined(__x86_64__)
// By an instruction of its own, eight at once; the rest out of eight with zeros.
__attribute__((target("avx,f16c"))) void convert_halves_by_f16c(const std::byte* from, std::int64_t n,
                                                                float* to) {
    constexpr std::int64_t at_once = 8;
    __m128i halves;
    std::int64_t k = 0;
    for (; k + at_once <= n; k += at_once) {
        std::memcpy(&halves, from + 2 * k, sizeof halves);
        _mm256_storeu_ps(to + k, _mm256_cvtph_ps(halves));
    }
    if (k == n) return;
    std::array<float, at_once> rest;
    halves = _mm_setzero_si128();
    std::memcpy(&halves, from + 2 * k, static_cast<std::size_t>(2 * (n - k)));
    _mm256_storeu_ps(rest.data(), _mm256_cvtph_ps(halves));
    std::copy_n(rest.begin(), n - k, to + k);
}

void convert_halves(const std::byte* from, std::int64_t n, float* to) {
    static const bool by_f16c =
        std::strcmp(instruction_set(), "baseline") != 0 && __builtin_cpu_supports("f16c");
    by_f16c ? convert_halves_by_f16c(from, n, to) : convert_halves_anywhere(from, n, to);
}
#else
void convert_halves(const std::byte* from, std::int64_t n, float* to) {
    convert_halves_anywhere(from, n, to);
}
#endif

void convert_halves(const std::byte* from, std::int64_t n, double* to) {
    std::array<float, 256> floats;
    for (std::int64_t k = 0; k < n; k += static_cast<std::int64_t>(floats.size())) {
        const std::int64_t some = std::min(n - k, static_cast<std::int64_t>(floats.size()));
        convert_halves(from + 2 * k, some, floats.data());
        std::copy_n(floats.begin(), some, to + k);
    }
}

FASTFUSE_CLONES void convert_bytes(const std::byte* from, std::int64_t n, float* to) {
    convert<std::uint8_t>(from, n, to);
}

void convert_bytes(const std::byte* from, std::int64_t n, double* to) { convert<std::uint8_t>(from, n, to); }

} // namespace

template <class To> void convert_all(Scalar type, const std::byte* from, std::int64_t n, To* to) {
    switch (type) {
    case Scalar::boolean: return convert<Boolean>(from, n, to);
    case Scalar::u8: return convert_bytes(from, n, to);
    case Scalar::i8: return convert<std::int8_t>(from, n, to);
    case Scalar::u16: return convert<std::uint16_t>(from, n, to);
    case Scalar::i16: return convert<std::int16_t>(from, n, to);
    case Scalar::u32: return convert<std::uint32_t>(from, n, to);
    case Scalar::i32: return convert<std::int32_t>(from, n, to);
    case Scalar::u64: return convert<std::uint64_t>(from, n, to);
    case Scalar::i64: return convert<std::int64_t>(from, n, to);
    case Scalar::f16: return convert_halves(from, n, to);
    case Scalar::f32: return convert<float>(from, n, to);
    case Scalar::f64: return convert<double>(from, n, to);
    }
}

template void convert_all(Scalar, const std::byte*, std::int64_t, float*);
template void convert_all(Scalar, const std::byte*, std::int64_t, double*);

void widen_all(Scalar type, const std::byte* from, std::int64_t n, double* to) {
    convert_all(type, from, n, to);
}

std::int64_t size_of(Scalar type) {
    switch (type) {
    case Scalar::boolean:
    case Scalar::u8:
    case Scalar::i8: return 1;
    case Scalar::u16:
    case Scalar::i16:
    case Scalar::f16: return 2;
    case Scalar::u32:
    case Scalar::i32:
    case Scalar::f32: return 4;
    default: return 8;
    }
}

bool contiguous(const View& view, const std::vector<std::int64_t>& shape) {
    std::int64_t expected = size_of(view.type);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
        if (shape[axis] != 1 && view.strides[axis] != expected) return false;
        expected *= shape[axis];
    }
    return true;
}

void gather(const View& view, const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t n,
            std::byte* to) {
    const std::int64_t item = size_of(view.type);
    Cursor cursor(view.data, axes_of(view, shape));
    cursor.seek(first);
    cursor.copy(n, item, to);
    if (view.swapped) swap_bytes(to, n, item);
}

const std::byte* native_run(const View& view, const std::vector<std::int64_t>& shape, std::int64_t first,
                            std::int64_t n, std::vector<std::byte>& copy) {
    const std::int64_t item = size_of(view.type);
    if (!view.swapped && contiguous(view, shape)) return view.data + first * item;
    copy.resize(static_cast<std::size_t>(n * item));
    gather(view, shape, first, n, copy.data());
    return copy.data();
}

double value_at(const View& view, const std::byte* from) {
    std::array<std::byte, 8> native{};
    const auto item = static_cast<std::size_t>(size_of(view.type));
    std::memcpy(native.data(), from, item);
    if (view.swapped) std::reverse(native.begin(), native.begin() + static_cast<std::ptrdiff_t>(item));
    double value = 0;
    widen_all(view.type, native.data(), 1, &value);
    return value;
}

namespace {

using Word = kernels::Lanes<std::uint64_t, 64>;
constexpr auto word_bytes = static_cast<std::int64_t>(sizeof(Word));

// `bytes`: a multiple of the size of a word.
FASTFUSE_INLINE bool any_nonzero(const std::byte* from, std::int64_t bytes) {
    Word any{};
    for (std::int64_t k = 0; k < bytes; k += word_bytes) {
        Word word;
        std::memcpy(&word, from + k, sizeof word);
        any |= word;
    }
    return kernels::any_bit(any);
}

bool any_nonzero_byte(const std::byte* from, std::int64_t bytes) {
    return std::any_of(from, from + bytes, [](std::byte byte) { return byte != std::byte{0}; });
}

} // namespace

FASTFUSE_CLONES bool all_zero(const std::byte* from, std::int64_t bytes) {
    constexpr std::int64_t at_a_time = 16 * word_bytes;
    const std::int64_t whole = bytes - bytes % word_bytes;
    for (std::int64_t k = 0; k < whole; k += at_a_time)
        if (any_nonzero(from + k, std::min(at_a_time, whole - k))) return false;
    return !any_nonzero_byte(from + whole, bytes - whole);
}

FASTFUSE_CLONES std::uint64_t nonzero_groups(const std::byte* from, std::int64_t bytes,
                                             std::int64_t group_bytes) {
    constexpr std::int64_t at_a_time = 16; // groups; most are all zero
    const std::int64_t whole = bytes / group_bytes;
    std::uint64_t found = 0;
    for (std::int64_t first = 0; first < whole; first += at_a_time) {
        const std::int64_t end = std::min(first + at_a_time, whole);
        if (!any_nonzero(from + first * group_bytes, (end - first) * group_bytes)) continue;
        for (std::int64_t g = first; g < end; ++g)
            found |= std::uint64_t{any_nonzero(from + g * group_bytes, group_bytes)} << g;
    }
    const std::int64_t rest = bytes - whole * group_bytes;
    if (rest > 0) found |= std::uint64_t{any_nonzero_byte(from + whole * group_bytes, rest)} << whole;
    return found;
}

FASTFUSE_CLONES std::uint64_t nonzero_groups(const std::byte* const* from, std::int64_t arrays,
                                             std::int64_t group_bytes) {
    constexpr std::int64_t groups = 64, at_a_time = 4; // most of them are all zero
    std::uint64_t found = 0;
    for (std::int64_t first = 0; first < groups; first += at_a_time) {
        std::array<Word, at_a_time> any{};
        for (std::int64_t g = 0; g < at_a_time; ++g)
            for (std::int64_t i = 0; i < arrays; ++i)
                for (std::int64_t k = 0; k < group_bytes; k += word_bytes) {
                    Word word;
                    std::memcpy(&word, from[i] + (first + g) * group_bytes + k, sizeof word);
                    any[static_cast<std::size_t>(g)] |= word;
                }
        if (!kernels::any_bit((any[0] | any[1]) | (any[2] | any[3]))) continue;
        for (std::int64_t g = 0; g < at_a_time; ++g)
            found |= std::uint64_t{kernels::any_bit(any[static_cast<std::size_t>(g)])} << (first + g);
    }
    return found;
}

} // namespace fastfuse
