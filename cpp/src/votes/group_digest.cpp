#include "votes/group_digest.hpp"

#include <cstring>

#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

using Column = GroupDigest::Column;

// `one`: the bits of a vote 1. As unsigned integers, votes in [0, 1] keep their order, and every other value
// is greater than `one`.
template <class Bits>
FASTFUSE_INLINE bool digest(const std::byte* from, std::size_t n, Bits one, bool binary, Column& any,
                            Column& differs) {
    std::array<Bits, group_voxels + 1> bits;
    std::memcpy(bits.data() + 1, from, n * sizeof(Bits));
    bits[0] = bits[1];
    std::array<Bits, group_voxels> bad{};
    for (std::size_t k = 0; k < n; ++k) {
        const Bits vote = bits[k + 1], change = vote ^ bits[k];
        any[k] |= static_cast<std::uint32_t>(vote | static_cast<Bits>(std::uint64_t{vote} >> 32));
        differs[k] |= static_cast<std::uint32_t>(change | static_cast<Bits>(std::uint64_t{change} >> 32));
        bad[k] = static_cast<Bits>(vote > one) | static_cast<Bits>(binary & (vote != 0) & (vote != one));
    }
    Bits any_bad = 0;
    for (std::size_t k = 0; k < n; ++k)
        any_bad |= bad[k];
    return any_bad == 0;
}

// A whole group has a clone of its own, with loops of a fixed length.
#define FASTFUSE_DIGEST(Bits, name)                                                                          \
    FASTFUSE_CLONES bool name(const std::byte* from, std::int64_t n, Bits one, bool binary, Column& any,     \
                              Column& differs) {                                                             \
        if (n == group_voxels) return digest<Bits>(from, group_voxels, one, binary, any, differs);           \
        return digest<Bits>(from, static_cast<std::size_t>(n), one, binary, any, differs);                   \
    }
FASTFUSE_DIGEST(std::uint8_t, digest_bytes)
FASTFUSE_DIGEST(std::uint16_t, digest_halves)
FASTFUSE_DIGEST(std::uint32_t, digest_words)
FASTFUSE_DIGEST(std::uint64_t, digest_doubles)
#undef FASTFUSE_DIGEST

} // namespace

bool GroupDigest::add(Scalar type, const std::byte* from, std::int64_t n, Check check) {
    const bool binary = check == Check::binary;
    switch (type) {
    case Scalar::boolean:
    case Scalar::u8:
    case Scalar::i8: return digest_bytes(from, n, 1, binary, any_, differs_);
    case Scalar::u16:
    case Scalar::i16: return digest_halves(from, n, 1, binary, any_, differs_);
    case Scalar::f16: return digest_halves(from, n, 0x3c00, binary, any_, differs_);
    case Scalar::u32:
    case Scalar::i32: return digest_words(from, n, 1, binary, any_, differs_);
    case Scalar::f32: return digest_words(from, n, 0x3f800000, binary, any_, differs_);
    case Scalar::u64:
    case Scalar::i64: return digest_doubles(from, n, 1, binary, any_, differs_);
    case Scalar::f64: return digest_doubles(from, n, 0x3ff0000000000000, binary, any_, differs_);
    }
    return false;
}

void GroupDigest::add_seen(const std::uint8_t* seen, std::int64_t n) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k) {
        any_[k] |= seen[k] == 0;
        differs_[k] |= k > 0 && seen[k] != seen[k - 1];
    }
}

void GroupDigest::add_widened(const double* from, std::int64_t n, bool is_vote) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(n); ++k) {
        any_[k] |= is_vote && from[k] != 0;
        differs_[k] |= k > 0 && from[k] != from[k - 1];
    }
}

} // namespace fastfuse
