// A volume's voxels in two colours, as on a checkerboard: face neighbours have different colours.
//
// A line is a run of voxels along the last axis. It is stored as two halves, its even and its odd positions,
// so that voxels of one colour are contiguous. Each half has a margin of one value on both sides.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fastfuse {

class Checkerboard {
  public:
    explicit Checkerboard(const std::vector<std::int64_t>& shape);

    std::int64_t lines() const { return lines_; }
    std::int64_t length() const { return length_; }
    // Number of values of a line, and of all, with the margins.
    std::int64_t stored() const { return 2 * (half_ + 2); }
    std::int64_t size() const { return lines_ * stored(); }
    std::int64_t start_of(std::int64_t line) const { return line * stored(); }
    // Number of voxels in a half of each line.
    std::int64_t voxels(int half) const { return (length_ + 1 - half) / 2; }
    // Where a half of a line begins.
    std::int64_t begin(std::int64_t line, int half) const { return start_of(line) + half * (half_ + 2) + 1; }
    // The half that holds a colour in a line.
    int half_of(std::int64_t line, int colour) const;
    std::int64_t at(std::int64_t line, std::int64_t position) const {
        return begin(line, static_cast<int>(position % 2)) + position / 2;
    }

    std::size_t axes() const { return shape_.size(); }
    // The previous and the next line along an axis except the last; -1 where there is none.
    std::array<std::int64_t, 2> neighbours(std::int64_t line, std::size_t axis) const;

  private:
    std::vector<std::int64_t> shape_, step_; // lines between neighbours along each axis except the last
    std::int64_t length_, half_, lines_;
};

} // namespace fastfuse
