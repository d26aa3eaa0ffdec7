// Reads masks a block at a time, as patterns of bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "votes/layout/runs.hpp"
#include "votes/masks/marks.hpp"
#include "votes/pattern_index.hpp"

namespace fastfuse::masks {

// Bits of a pattern, the highest first: with a mask, one that says "outside"; one for each rater who may not
// have looked, which says so; one a rater, the vote.
int bits_of(const Votes& votes);

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
    // Bit g: the mask alone makes group g busy. Its patterns inside are 0.
    std::uint64_t divided() const { return divided_; }
    int planes() const { return static_cast<int>(planes_.size()); }
    const std::uint8_t* plane(int p) const { return planes_[static_cast<std::size_t>(p)].data(); }
    std::int64_t voxels() const { return voxels_; }
    std::int64_t inside() const { return inside_voxels_; } // voxels inside the mask

  private:
    // An array and its values of a block.
    struct Source {
        Source(const View& view, const Votes& votes) : runs(view, votes.shape), type(view.type) {}
        NativeRuns runs;
        Scalar type;
        std::vector<std::byte> cut{}; // the last block's, made whole
    };

    const std::byte* run(Source& source) const;
    bool read_ones(Source& source, Bytes& to, std::uint8_t beyond) const;
    bool read_mask();
    bool read_present();
    std::uint64_t voted_groups() const;
    void list_groups();
    void mark_outside();
    void shift_voteless();
    template <class Tell> void append_bit(int bit, const Tell& tell);
    const std::uint8_t* counted(int rater) const;

    const Votes& votes_;
    std::vector<Marking> marking_;
    std::vector<Source> raters_;
    std::optional<Source> mask_;
    std::vector<std::optional<Source>> present_; // as in the votes
    std::vector<Bytes> seen_;                    // inside the mask by each rater of `present`: 1, else 0
    std::vector<char> saw_all_;          // whether each saw all of the block, which `seen_` then lacks
    std::vector<const std::byte*> from_; // each rater's votes of the block
    std::int64_t first_ = 0, voxels_ = 0, inside_voxels_ = 0;
    std::uint64_t unseen_ = 0; // bit g: not every rater saw all of group g that is inside the mask
    Bytes inside_;
    UniformGroups uniform_;
    GroupList busy_, voted_; // voted: the busy ones where a rater may have voted
    std::uint64_t divided_ = 0;
    std::vector<Bytes> planes_;
};

} // namespace fastfuse::masks
