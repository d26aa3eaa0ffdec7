// A volume's voxels during a dilation: their places, states and neighbours.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "fastfuse/array_view.hpp"
#include "fastfuse/dilation.hpp"
#include "fastfuse/output.hpp"

namespace fastfuse {

enum class State : std::uint32_t {
    untouched,
    mask,    // of a lesion
    waiting, // a candidate below the cut
    entered, // above the cut, but not connected to the mask yet
    ring,
};

using Coordinates = std::array<std::int64_t, 3>;

class Field {
  public:
    static constexpr std::uint32_t most_lesions = UINT32_MAX >> 3;

    Field(const Grid& grid, const Output& notes) : grid_(grid), notes_(notes) {}

    // Lesions are numbered from 1.
    void note(std::int64_t voxel, State state, std::uint32_t lesion) const {
        notes_.put_note(voxel, lesion << 3 | static_cast<std::uint32_t>(state));
    }
    State state(std::int64_t voxel) const { return static_cast<State>(notes_.note(voxel) & 7); }
    std::uint32_t lesion(std::int64_t voxel) const { return notes_.note(voxel) >> 3; }
    bool is(std::int64_t voxel, State state, std::uint32_t lesion) const {
        return notes_.note(voxel) == (lesion << 3 | static_cast<std::uint32_t>(state));
    }

    Coordinates place(std::int64_t voxel) const {
        const auto [slow, middle, fast] = grid_.extent;
        return {voxel / (middle * fast), voxel / fast % middle, voxel % fast};
    }
    std::int64_t voxel(const Coordinates& at) const {
        return (at[0] * grid_.extent[1] + at[1]) * grid_.extent[2] + at[2];
    }
    bool contains(const Coordinates& at) const {
        for (std::size_t axis = 0; axis < 3; ++axis)
            if (at[axis] < 0 || at[axis] >= grid_.extent[axis]) return false;
        return true;
    }

    // The voxel's index in the caller's order, in which ties are broken.
    std::int64_t rank(std::int64_t voxel) const {
        const Coordinates at = place(voxel);
        return at[0] * grid_.rank_step[0] + at[1] * grid_.rank_step[1] + at[2] * grid_.rank_step[2];
    }

    // Visits the up to six voxels that share a face with this one.
    template <class Visit> void faces(std::int64_t voxel, const Visit& visit) const {
        const Coordinates at = place(voxel);
        std::int64_t step = 1;
        for (std::size_t axis = 3; axis-- > 0; step *= grid_.extent[axis]) {
            if (at[axis] > 0) visit(voxel - step);
            if (at[axis] + 1 < grid_.extent[axis]) visit(voxel + step);
        }
    }

    // Visits the up to 26 voxels that share a face, an edge or a corner with this one.
    template <class Visit> void neighbours(std::int64_t voxel, const Visit& visit) const {
        const Coordinates at = place(voxel);
        for (std::int64_t k = 0; k < 27; ++k) {
            const Coordinates there{at[0] + k / 9 - 1, at[1] + k / 3 % 3 - 1, at[2] + k % 3 - 1};
            if (k != 13 && contains(there)) visit(this->voxel(there));
        }
    }

  private:
    const Grid& grid_;
    const Output& notes_;
};

// Reads single voxels of an array, and short runs of them.
class Sampler {
  public:
    Sampler(const View& view, const Grid& grid, const Field& field)
        : view_(view), field_(field), item_(size_of(view.type)),
          in_order_(contiguous(view, {grid.extent.begin(), grid.extent.end()})) {}

    double operator()(std::int64_t voxel) const {
        if (in_order_) return value_at(view_, view_.data + voxel * item_);
        const Coordinates at = field_.place(voxel);
        return value_at(view_, view_.data + at[0] * view_.strides[0] + at[1] * view_.strides[1] +
                                   at[2] * view_.strides[2]);
    }
    void read(std::int64_t first, std::int64_t n, double* to) const {
        if (in_order_ && !view_.swapped) return widen_all(view_.type, view_.data + first * item_, n, to);
        for (std::int64_t k = 0; k < n; ++k)
            to[k] = (*this)(first + k);
    }

  private:
    const View& view_;
    const Field& field_;
    std::int64_t item_;
    bool in_order_;
};

} // namespace fastfuse
