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

// Of labels that a header's scaling may have moved off whole numbers. A value that is not bad and so near is
// the label.
template <class T> struct Label {
    double label;
    bool is_mark(T value) const { return std::abs(static_cast<double>(value) - label) <= label_tolerance; }
    bool is_bad(T value) const {
        const auto wide = static_cast<double>(value);
        return !(std::abs(wide - std::nearbyint(wide)) <= label_tolerance); // also of nan and infinity
    }
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
                               const std::uint8_t* inside, std::uint8_t* patterns) {
    constexpr auto n = static_cast<std::size_t>(group_voxels);
    std::array<std::uint8_t, n> bad{};
    for (std::int64_t j = 0; j < groups.size; ++j) {
        const std::size_t first = n * groups.group[static_cast<std::size_t>(j)];
        std::array<T, n> votes;
        std::memcpy(votes.data(), from + first * sizeof(T), sizeof votes);
        std::array<std::uint8_t, n> pattern;
        std::uint8_t* place = patterns + n * groups.place[static_cast<std::size_t>(j)];
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

// n ≤ group_voxels.
template <class T, class Rule>
FASTFUSE_INLINE std::uint8_t read_group(const Rule& rule, const std::byte* from, std::size_t n,
                                        std::uint8_t* to) {
    constexpr auto most = static_cast<std::size_t>(group_voxels);
    std::array<T, most> values{};
    std::memcpy(values.data(), from, n * sizeof(T));
    std::array<std::uint8_t, most> marks, bad;
    for (std::size_t k = 0; k < most; ++k) {
        marks[k] = rule.is_mark(values[k]);
        bad[k] = rule.is_bad(values[k]);
    }
    std::memcpy(to, marks.data(), n);
    std::uint8_t any_bad = 0;
    for (std::size_t k = 0; k < most; ++k)
        any_bad = static_cast<std::uint8_t>(any_bad | bad[k]);
    return any_bad;
}

template <class T, class Rule>
FASTFUSE_INLINE bool read_by(const Rule& given, const std::byte* from, std::int64_t n, std::uint8_t* to) {
    const Rule rule = given;
    std::uint8_t bad = 0;
    std::int64_t k = 0;
    constexpr auto ahead =
        block_voxels * static_cast<std::int64_t>(sizeof(T)); // prefetchers stop at a page's end
    for (; k + group_voxels <= n; k += group_voxels) {
        for (std::int64_t line = 0; line < group_voxels * static_cast<std::int64_t>(sizeof(T)); line += 64)
            kernels::fetch(from + k * static_cast<std::int64_t>(sizeof(T)) + line + ahead);
        bad = static_cast<std::uint8_t>(
            bad | read_group<T>(rule, from + k * static_cast<std::int64_t>(sizeof(T)), group_voxels, to + k));
    }
    if (k < n)
        bad = static_cast<std::uint8_t>(bad |
                                        read_group<T>(rule, from + k * static_cast<std::int64_t>(sizeof(T)),
                                                      static_cast<std::size_t>(n - k), to + k));
    return bad == 0;
}

#define FASTFUSE_MARKS(T, Rule)                                                                              \
    FASTFUSE_CLONES bool marks_of(const Rule& rule, const std::byte* from, std::int64_t n,                   \
                                  std::uint8_t* to) {                                                        \
        return read_by<T>(rule, from, n, to);                                                                \
    }                                                                                                        \
    FASTFUSE_CLONES bool marks_of(const Rule& rule, const std::byte* from, const GroupList& groups,          \
                                  const std::uint8_t* inside, std::uint8_t* patterns) {                      \
        return append_by<T>(rule, from, groups, inside, patterns);                                           \
    }
FASTFUSE_MARKS(std::uint8_t, AnyBit)
FASTFUSE_MARKS(std::uint8_t, Equal<std::uint8_t>)
FASTFUSE_MARKS(std::uint16_t, Equal<std::uint16_t>)
FASTFUSE_MARKS(std::uint16_t, HalfOne)
FASTFUSE_MARKS(std::uint32_t, Equal<std::uint32_t>)
FASTFUSE_MARKS(std::uint64_t, Equal<std::uint64_t>)
FASTFUSE_MARKS(float, Equal<float>)
FASTFUSE_MARKS(double, Equal<double>)
FASTFUSE_MARKS(float, Label<float>)
FASTFUSE_MARKS(double, Label<double>)
#undef FASTFUSE_MARKS

FASTFUSE_CLONES std::uint64_t bits_beside_ones(const std::byte* from) {
    constexpr std::uint64_t ones = 0x0101010101010101u;
    std::uint64_t other = 0, word;
    for (std::int64_t k = 0; k < block_voxels; k += 8) {
        std::memcpy(&word, from + k, sizeof word);
        other |= word ^ ones;
    }
    return other;
}

template <class T> bool holds(double value) {
    return value == std::nearbyint(value) && value >= static_cast<double>(std::numeric_limits<T>::min()) &&
           value <= static_cast<double>(std::numeric_limits<T>::max());
}

constexpr double most_exact = 9007199254740992; // whole numbers up to here are doubles

} // namespace

bool are_all_one(Scalar type, const std::byte* from) {
    return size_of(type) == 1 && bits_beside_ones(from) == 0;
}

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
    case Scalar::u64:
    case Scalar::i64: return holds<std::int64_t>(mark) && std::abs(mark) <= most_exact;
    case Scalar::f32:
    case Scalar::f64: return mark == std::nearbyint(mark);
    default: return false; // a boolean is 0 or 1; halves are no labels, or few
    }
}

namespace {

// Calls `use` with the functions of the type, and with how values are told.
template <class Use> bool by_type(const Marking& marking, const Use& use) {
    const auto integer = static_cast<std::uint64_t>(static_cast<std::int64_t>(marking.mark));
    const bool checks = !marking.labels;
    switch (marking.type) {
    case Scalar::boolean: return use(AnyBit{});
    case Scalar::u8:
    case Scalar::i8: return use(Equal<std::uint8_t>{static_cast<std::uint8_t>(integer), checks});
    case Scalar::u16:
    case Scalar::i16: return use(Equal<std::uint16_t>{static_cast<std::uint16_t>(integer), checks});
    case Scalar::f16: return use(HalfOne{});
    case Scalar::u32:
    case Scalar::i32: return use(Equal<std::uint32_t>{static_cast<std::uint32_t>(integer), checks});
    case Scalar::u64:
    case Scalar::i64: return use(Equal<std::uint64_t>{integer, checks});
    case Scalar::f32: return marking.labels ? use(Label<float>{marking.mark}) : use(Equal<float>{1, true});
    case Scalar::f64: return marking.labels ? use(Label<double>{marking.mark}) : use(Equal<double>{1, true});
    }
    return false;
}

} // namespace

bool append(const Marking& marking, const std::byte* from, const GroupList& groups,
            const std::uint8_t* inside, std::uint8_t* patterns) {
    return by_type(marking, [&](const auto& rule) { return marks_of(rule, from, groups, inside, patterns); });
}

bool read_ones(Scalar type, const std::byte* from, std::int64_t n, std::uint8_t* to) {
    return by_type({type}, [&](const auto& rule) { return marks_of(rule, from, n, to); });
}

} // namespace fastfuse::masks
