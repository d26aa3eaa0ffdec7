// Runs of a view's voxels in native layout, for a reader that goes through the volume.
//
// Where another axis than the last is the fastest in memory, neighbours in a run lie far apart, and each
// would fetch a line of the cache of which it uses one item. So a window is copied at once: some indexes of
// that fastest axis, with all that is inside them. It is transposed in small tiles, and serves the runs to
// come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "votes/layout/axes.hpp"

namespace fastfuse {

// Scratch of one thread and one view.
class NativeRuns {
  public:
    NativeRuns(const View& view, const std::vector<std::int64_t>& shape);

    // Voxels first … first+n-1. Valid until the next call.
    const std::byte* at(std::int64_t first, std::int64_t n) {
        return in_place_ ? data_ + first * item_ : copied(first, n);
    }
    // Where in memory the next n voxels may lie, after the run up to voxel `first`: to be asked for, not
    // read.
    const std::byte* soon(std::int64_t first, std::int64_t n) const {
        return in_place_ ? data_ + first * item_ : cursor_.soon(n * item_);
    }

  private:
    const std::byte* copied(std::int64_t first, std::int64_t n);
    const std::vector<Axis>& axes() const { return cursor_.axes(); }
    bool in_window(std::int64_t voxel) const {
        return voxel >= window_first_ && voxel < window_first_ + indexes_ * inner_;
    }
    void copy(std::int64_t first, std::int64_t n, std::byte* to);
    void move_window(std::int64_t voxel);
    void fill_window(const std::byte* from);

    const std::byte* data_;
    std::int64_t item_;
    bool in_place_, swapped_;
    Cursor cursor_;
    std::vector<std::byte> run_, zeros_; // zeros: stands for a run of them

    // The window; without one, `fastest_` is the last axis.
    std::size_t fastest_ = 0;
    std::int64_t inner_ = 1;                      // voxels of one index of the fastest axis
    std::int64_t window_first_ = 0, indexes_ = 0; // its first voxel, its indexes of the fastest axis
    std::vector<std::byte> window_;
};

} // namespace fastfuse
