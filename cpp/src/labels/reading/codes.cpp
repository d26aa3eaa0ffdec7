#include "labels/reading/codes.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace fastfuse {
namespace {

constexpr double largest_exact = 9007199254740992.0; // 2^53: beyond it floats no longer tell labels apart
constexpr std::size_t narrow_values = 1 << 16;

// Codes of values of up to 16 bits, from their bits as they lie in memory.
template <class T> std::size_t place_of(T value) { return static_cast<std::uint16_t>(value); }

template <class T> bool look_up(const Code* of, const std::byte* from, std::int64_t n, Code* to) {
    bool missed = false;
    for (std::int64_t k = 0; k < n; ++k) {
        T value;
        std::memcpy(&value, from + k * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
        to[k] = of[place_of(value)];
        missed |= to[k] == no_code;
    }
    return missed;
}

} // namespace

Reading read_label(double value, bool nan_is_missing) {
    if (std::isnan(value) && nan_is_missing) return {0, true, std::nullopt};
    if (!std::isfinite(value)) return {0, false, BadInput::Kind::not_finite};
    const double whole = std::rint(value);
    if (std::abs(value - whole) > label_tolerance || std::abs(whole) > largest_exact)
        return {0, false, BadInput::Kind::not_label};
    return {static_cast<std::int64_t>(whole), false, std::nullopt};
}

CodeBook::CodeBook(const std::vector<std::int64_t>& labels)
    : labels_(labels), of_unsigned_(narrow_values, no_code), of_signed_(narrow_values, no_code) {
    for (std::size_t code = 0; code < labels.size(); ++code) {
        const std::int64_t label = labels[code];
        if (label >= 0 && label < static_cast<std::int64_t>(narrow_values))
            of_unsigned_[static_cast<std::size_t>(label)] = static_cast<Code>(code);
        if (label >= std::numeric_limits<std::int16_t>::min() &&
            label <= std::numeric_limits<std::int16_t>::max())
            of_signed_[place_of(static_cast<std::int16_t>(label))] = static_cast<Code>(code);
    }
}

Code CodeBook::of(std::int64_t label) const {
    const auto found = std::lower_bound(labels_.begin(), labels_.end(), label);
    return found != labels_.end() && *found == label ? static_cast<Code>(found - labels_.begin()) : no_code;
}

template <class T>
bool CodeBook::read_narrow(const std::vector<Code>& of, const std::byte* from, std::int64_t n,
                           Code* to) const {
    return look_up<T>(of.data(), from, n, to);
}

// Neighbours mostly have the same label.
template <class T> bool CodeBook::read_wide(const std::byte* from, std::int64_t n, Code* to) const {
    bool missed = false;
    T last{};
    Code code = no_code;
    for (std::int64_t k = 0; k < n; ++k) {
        T value;
        std::memcpy(&value, from + k * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
        if (k == 0 || value != last) {
            const bool too_large = value > T{0} && static_cast<std::uint64_t>(value) > INT64_MAX;
            code = too_large ? no_code : of(static_cast<std::int64_t>(value));
            last = value;
        }
        to[k] = code;
        missed |= code == no_code;
    }
    return missed;
}

bool CodeBook::read_floats(Scalar type, const std::byte* from, std::int64_t n, bool nan_is_missing,
                           Code* to) const {
    constexpr std::int64_t at_a_time = 256;
    std::array<double, at_a_time> values;
    bool missed = false;
    double last = 0;
    Code code = of(0);
    bool is_wrong = code == no_code;
    for (std::int64_t begin = 0; begin < n; begin += at_a_time) {
        const std::int64_t size = std::min(at_a_time, n - begin);
        widen_all(type, from + begin * size_of(type), size, values.data());
        for (std::int64_t k = 0; k < size; ++k) {
            const double value = values[static_cast<std::size_t>(k)];
            if (value != last) { // NaN always does
                const Reading reading = read_label(value, nan_is_missing);
                code = reading.missing || reading.wrong ? no_code : of(reading.label);
                is_wrong = code == no_code && !reading.missing;
                last = value;
            }
            to[begin + k] = code;
            missed |= is_wrong;
        }
    }
    return missed;
}

bool CodeBook::read(Scalar type, const std::byte* from, std::int64_t n, bool nan_is_missing, Code* to) const {
    switch (type) {
    case Scalar::u8: return read_narrow<std::uint8_t>(of_unsigned_, from, n, to);
    case Scalar::u16: return read_narrow<std::uint16_t>(of_unsigned_, from, n, to);
    case Scalar::i8: return read_narrow<std::int8_t>(of_signed_, from, n, to);
    case Scalar::i16: return read_narrow<std::int16_t>(of_signed_, from, n, to);
    case Scalar::u32: return read_wide<std::uint32_t>(from, n, to);
    case Scalar::i32: return read_wide<std::int32_t>(from, n, to);
    case Scalar::u64: return read_wide<std::uint64_t>(from, n, to);
    case Scalar::i64: return read_wide<std::int64_t>(from, n, to);
    default: return read_floats(type, from, n, nan_is_missing, to); // and booleans
    }
}

} // namespace fastfuse
