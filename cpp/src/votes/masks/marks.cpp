#include "votes/masks/marks.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse::masks {
namespace {

// Of numbers: a vote is a mark if it equals one.
template <class T> struct Equal {
    T mark;
    bool checks;
    bool is_mark(T vote) const { return vote == mark; }
    bool is_bad(T vote) const { return checks & (vote != mark) & (vote != T{0}); }
};

struct AnyBit {
    bool is_mark(std::uint8_t vote) const { return vote != 0; }
    bool is_bad(std::uint8_t) const { return false; }
};

struct HalfOne {
    bool is_mark(std::uint16_t vote) const { return vote == 0x3c00; }
    bool is_bad(std::uint16_t vote) const { return (vote != 0x3c00) & ((vote & 0x7fff) != 0); }
};

template <class T, class Rule>
FASTFUSE_INLINE bool append_by(const Rule& rule, const std::byte* from, const GroupList& groups,
                               const Bytes& inside, std::uint8_t* patterns) {
    constexpr auto n = static_cast<std::size_t>(group_voxels);
    std::array<std::uint8_t, n> bad{};
    for (std::int64_t j = 0; j < groups.size; ++j) {
        const std::size_t first = n * groups.group[static_cast<std::size_t>(j)];
        std::array<T, n> votes;
        std::memcpy(votes.data(), from + first * sizeof(T), sizeof votes);
        std::array<std::uint8_t, n> pattern;
        std::uint8_t* place = patterns + static_cast<std::size_t>(j) * n;
        std::memcpy(pattern.data(), place, n);
        for (std::size_t k = 0; k < n; ++k) {
            const std::uint8_t in = inside[first + k];
            pattern[k] = static_cast<std::uint8_t>(pattern[k] + pattern[k] + (rule.is_mark(votes[k]) & in));
            bad[k] = static_cast<std::uint8_t>(bad[k] | (rule.is_bad(votes[k]) & in));
        }
        std::memcpy(place, pattern.data(), n);
    }
    std::uint8_t any_bad = 0;
    for (std::size_t k = 0; k < n; ++k)
        any_bad = static_cast<std::uint8_t>(any_bad | bad[k]);
    return any_bad == 0;
}

#define FASTFUSE_APPEND(T, Rule, name)                                                                       \
    FASTFUSE_CLONES bool name(const Rule& rule, const std::byte* from, const GroupList& groups,              \
                              const Bytes& inside, std::uint8_t* patterns) {                                 \
        return append_by<T>(rule, from, groups, inside, patterns);                                           \
    }
FASTFUSE_APPEND(std::uint8_t, AnyBit, append_booleans)
FASTFUSE_APPEND(std::uint8_t, Equal<std::uint8_t>, append_bytes)
FASTFUSE_APPEND(std::uint16_t, Equal<std::uint16_t>, append_shorts)
FASTFUSE_APPEND(std::uint16_t, HalfOne, append_halves)
FASTFUSE_APPEND(std::uint32_t, Equal<std::uint32_t>, append_words)
FASTFUSE_APPEND(std::uint64_t, Equal<std::uint64_t>, append_long_words)
FASTFUSE_APPEND(float, Equal<float>, append_floats)
FASTFUSE_APPEND(double, Equal<double>, append_doubles)
#undef FASTFUSE_APPEND

template <class T> bool holds(double value) {
    return value == std::nearbyint(value) && value >= static_cast<double>(std::numeric_limits<T>::min()) &&
           value <= static_cast<double>(std::numeric_limits<T>::max());
}

} // namespace

bool can_mark(Scalar type, double mark) {
    if (mark == 1) return true;
    if (mark == 0) return false; // groups of zeros are passed over
    switch (type) {
    case Scalar::u8: return holds<std::uint8_t>(mark);
    case Scalar::i8: return holds<std::int8_t>(mark);
    case Scalar::u16: return holds<std::uint16_t>(mark);
    case Scalar::i16: return holds<std::int16_t>(mark);
    case Scalar::u32: return holds<std::uint32_t>(mark);
    case Scalar::i32: return holds<std::int32_t>(mark);
    default: return false; // a boolean is 0 or 1; fractions may stand for labels, and long integers are rare
    }
}

bool append(const Marking& marking, const std::byte* from, const GroupList& groups, const Bytes& inside,
            std::uint8_t* patterns) {
    const auto integer = static_cast<std::uint64_t>(static_cast<std::int64_t>(marking.mark));
    const bool checks = marking.checks;
    switch (marking.type) {
    case Scalar::boolean: return append_booleans({}, from, groups, inside, patterns);
    case Scalar::u8:
    case Scalar::i8:
        return append_bytes({static_cast<std::uint8_t>(integer), checks}, from, groups, inside, patterns);
    case Scalar::u16:
    case Scalar::i16:
        return append_shorts({static_cast<std::uint16_t>(integer), checks}, from, groups, inside, patterns);
    case Scalar::f16: return append_halves({}, from, groups, inside, patterns);
    case Scalar::u32:
    case Scalar::i32:
        return append_words({static_cast<std::uint32_t>(integer), checks}, from, groups, inside, patterns);
    case Scalar::u64:
    case Scalar::i64: return append_long_words({integer, checks}, from, groups, inside, patterns);
    case Scalar::f32: return append_floats({1, checks}, from, groups, inside, patterns);
    case Scalar::f64: return append_doubles({1, checks}, from, groups, inside, patterns);
    }
    return false;
}

} // namespace fastfuse::masks
