// Reads masks a block at a time, as patterns of bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "votes/masks/marks.hpp"
#include "votes/pattern_index.hpp"

namespace fastfuse::masks {

// Bits of a pattern: one a rater and, with a mask, a leading one that says "outside".
inline int bits_of(const Votes& votes) { return votes.size() + (votes.mask ? 1 : 0); }

constexpr int most_bits = 512;
constexpr int most_coded = 16; // bits of a pattern that is its own number

// Whether the votes are masks, as far as types, options and a look at some blocks tell.
bool look_like_masks(const Votes& votes);

// Scratch of one thread. The patterns of a block's busy groups lie in planes of bytes, the first one highest.
class Reader {
  public:
    explicit Reader(const Votes& votes);

    // Returns false where a vote, or the mask, is neither 0 nor 1.
    bool read(std::int64_t index);

    // Of the block that was read.
    const UniformGroups& uniform() const { return uniform_; }
    const GroupList& busy() const { return busy_; }
    int planes() const { return static_cast<int>(planes_.size()); }
    const std::uint8_t* plane(int p) const { return planes_[static_cast<std::size_t>(p)].data(); }
    std::int64_t voxels() const { return voxels_; }
    std::int64_t inside() const { return inside_voxels_; } // voxels inside the mask

  private:
    const std::byte* run(const View& view, std::size_t copy);
    bool read_mask();
    std::uint64_t voted_groups() const;
    void list_groups(std::uint64_t voted);
    void mark_outside();

    const Votes& votes_;
    std::vector<Marking> marking_;
    std::vector<bool> in_place_;                 // of each view: it lies in native layout
    std::vector<std::vector<std::byte>> copies_; // of each view: of what does not, or is cut short
    std::vector<const std::byte*> from_;         // each rater's votes of the block
    std::int64_t first_ = 0, voxels_ = 0, inside_voxels_ = 0;
    Bytes inside_;
    UniformGroups uniform_;
    GroupList busy_;
    std::vector<Bytes> planes_;
};

} // namespace fastfuse::masks
