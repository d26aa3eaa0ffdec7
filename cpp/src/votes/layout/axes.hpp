// The axes of a view as a copy takes them: neighbours that step alike are one, and those of one index none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "fastfuse/array_view.hpp"

namespace fastfuse {

struct Axis {
    std::int64_t length;
    std::ptrdiff_t step; // bytes
};

// From the slowest of the shape to the fastest; at least one.
std::vector<Axis> axes_of(const View& view, const std::vector<std::int64_t>& shape);

// Lines of items that lie `step` bytes apart.
struct Lines {
    const std::byte* from;
    std::ptrdiff_t step;
    std::int64_t length;
    std::int64_t lines;
    std::ptrdiff_t line_step; // from one line to the next; also of a single one
};

// Goes through items in the order of the axes, one run after another.
class Cursor {
  public:
    Cursor(const std::byte* begin, std::vector<Axis> axes)
        : begin_(begin), place_(begin), axes_(std::move(axes)), at_(axes_.size()) {}

    const std::vector<Axis>& axes() const { return axes_; }
    void seek(std::int64_t item);
    void copy(std::int64_t n, std::int64_t item_bytes, std::byte* to);
    // Whether the next n items are all zeros, which goes past them; else another seek must follow. False also
    // where telling would take as long as a copy.
    bool skip_zeros(std::int64_t n, std::int64_t item_bytes);
    // Where in memory the next items begin, of so many bytes if nothing lies between them.
    const std::byte* soon(std::int64_t bytes) const;

  private:
    template <class Use> bool walk(std::int64_t n, const Use& use);
    void carry(std::size_t axis);

    const std::byte *begin_, *place_;
    std::vector<Axis> axes_;
    std::vector<std::int64_t> at_; // along each axis
    std::int64_t next_ = 0;        // the item that lies at `place_`
};

// Puts the bytes of each of n items into the other order.
void swap_bytes(std::byte* items, std::int64_t n, std::int64_t item);

} // namespace fastfuse
