// Reads label maps a block at a time, as codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastfuse/votes.hpp"
#include "labels/reading/codes.hpp"
#include "votes/blocks.hpp"

namespace fastfuse {

// Voxels of a block that count. Scratch of one thread.
class Inside {
  public:
    explicit Inside(const Votes& votes);

    // Reads the mask. Throws BadInput for what is no mask.
    void read(std::int64_t first, std::int64_t voxels);
    // Null where all count. Throws BadInput for a `present` that is no mask.
    const std::uint8_t* of_all() const { return votes_.mask ? of_all_.data() : nullptr; }
    const std::uint8_t* of_rater(int rater);

  private:
    void read(const View& view, BadInput::Kind kind, int rater, std::vector<std::uint8_t>& to);

    const Votes& votes_;
    std::int64_t first_ = 0, voxels_ = 0;
    std::vector<std::uint8_t> of_all_, of_rater_;
    std::vector<std::byte> native_;
    std::vector<double> wide_;
};

// Codes of the raters' labels in a block. Scratch of one thread.
class LabelBlock {
  public:
    LabelBlock(const Votes& votes, const CodeBook& book);

    // Throws BadInput for the first bad voxel of the block.
    void read(std::int64_t index);

    std::int64_t first() const { return first_; }
    std::int64_t voxels() const { return voxels_; }
    const Code* codes_of(int rater) const { return codes_.data() + rater * block_voxels; }
    // Null where all voxels count.
    const std::uint8_t* inside() const { return inside_.of_all(); }

  private:
    bool read_rater(int rater);
    [[noreturn]] void refuse();

    const Votes& votes_;
    const CodeBook& book_;
    std::int64_t first_ = 0, voxels_ = 0;
    std::vector<Code> codes_; // no_code outside the mask too, where it would be no label
    Inside inside_;
    std::vector<std::byte> native_;
};

// A rater's value at a voxel, for messages.
double value_of(const Votes& votes, int rater, std::int64_t voxel);

} // namespace fastfuse
