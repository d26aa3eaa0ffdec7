#include "fastfuse/array_view.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

struct Half {
    std::uint16_t bits;
};

struct Boolean {
    std::uint8_t byte; // true unless 0
};

double widen(Boolean value) { return value.byte != 0; }

double widen(Half half) {
    const int exponent = (half.bits >> 10) & 0x1f;
    const int fraction = half.bits & 0x3ff;
    double magnitude;
    if (exponent == 0x1f)
        magnitude = fraction ? std::nan("") : HUGE_VAL;
    else if (exponent == 0)
        magnitude = std::ldexp(fraction, -24);
    else
        magnitude = std::ldexp(fraction + 0x400, exponent - 25);
    return half.bits & 0x8000 ? -magnitude : magnitude;
}

template <class T> double widen(T value) { return static_cast<double>(value); }

template <class T> void widen_all(const std::byte* from, std::int64_t n, double* to) {
    for (std::int64_t k = 0; k < n; ++k) {
        T value;
        std::memcpy(&value, from + k * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
        to[k] = widen(value);
    }
}

} // namespace

void widen_all(Scalar type, const std::byte* from, std::int64_t n, double* to) {
    switch (type) {
    case Scalar::boolean: return widen_all<Boolean>(from, n, to);
    case Scalar::u8: return widen_all<std::uint8_t>(from, n, to);
    case Scalar::i8: return widen_all<std::int8_t>(from, n, to);
    case Scalar::u16: return widen_all<std::uint16_t>(from, n, to);
    case Scalar::i16: return widen_all<std::int16_t>(from, n, to);
    case Scalar::u32: return widen_all<std::uint32_t>(from, n, to);
    case Scalar::i32: return widen_all<std::int32_t>(from, n, to);
    case Scalar::u64: return widen_all<std::uint64_t>(from, n, to);
    case Scalar::i64: return widen_all<std::int64_t>(from, n, to);
    case Scalar::f16: return widen_all<Half>(from, n, to);
    case Scalar::f32: return widen_all<float>(from, n, to);
    case Scalar::f64: return widen_all<double>(from, n, to);
    }
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
    const std::size_t axes = shape.size();
    const std::int64_t item = size_of(view.type);
    std::vector<std::int64_t> at(axes);
    const std::byte* from = view.data;
    for (std::size_t axis = axes; axis-- > 0; first /= shape[axis]) {
        at[axis] = first % shape[axis];
        from += at[axis] * view.strides[axis];
    }
    for (std::int64_t k = 0; k < n; ++k, to += item) {
        std::memcpy(to, from, static_cast<std::size_t>(item));
        if (view.swapped) std::reverse(to, to + item);
        for (std::size_t axis = axes; axis-- > 0;) { // the next voxel: carry like an odometer
            from += view.strides[axis];
            if (++at[axis] < shape[axis]) break;
            from -= shape[axis] * view.strides[axis];
            at[axis] = 0;
        }
    }
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

using Word = kernels::Lanes<std::int64_t, 64>;
constexpr auto word_bytes = static_cast<std::int64_t>(sizeof(Word));

FASTFUSE_INLINE bool any_bit(const Word& word) {
    std::array<std::int64_t, sizeof(Word) / 8> parts;
    std::memcpy(parts.data(), &word, sizeof word);
    std::int64_t any = 0;
    for (const std::int64_t part : parts)
        any |= part;
    return any != 0;
}

// `bytes`: a multiple of the size of a word.
FASTFUSE_INLINE bool any_nonzero(const std::byte* from, std::int64_t bytes) {
    Word any{};
    for (std::int64_t k = 0; k < bytes; k += word_bytes) {
        Word word;
        std::memcpy(&word, from + k, sizeof word);
        any |= word;
    }
    return any_bit(any);
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
        if (!any_bit((any[0] | any[1]) | (any[2] | any[3]))) continue;
        for (std::int64_t g = 0; g < at_a_time; ++g)
            found |= std::uint64_t{any_bit(any[static_cast<std::size_t>(g)])} << (first + g);
    }
    return found;
}

} // namespace fastfuse
