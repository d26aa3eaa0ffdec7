// Dilation of a mask by a Euclidean ball. Marked voxels are gathered into runs along the last axis. Each run
// marks, in every row that the ball reaches, a run that is longer by the ball's half width there.
#include <algorithm>
#include <climits>
#include <cstdlib>
#include <vector>

#include "dilation/ball.hpp"
#include "dilation/marked.hpp"
#include "fastfuse/dilation.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t voxels_of_a_thread = 1 << 15; // fewer are not worth one

// Marked voxels first … end − 1 along the last axis.
struct Run {
    std::int64_t middle, first, end;
};
using Plane = std::vector<Run>; // runs of one index of the first axis

std::vector<Plane> runs_of(const std::vector<std::int64_t>& marked, const Place& extent) {
    std::vector<Plane> planes(static_cast<std::size_t>(extent[0]));
    for (const std::int64_t voxel : marked) {
        const std::int64_t row = voxel / extent[2], at = voxel % extent[2];
        Plane& plane = planes[static_cast<std::size_t>(row / extent[1])];
        const std::int64_t middle = row % extent[1];
        if (!plane.empty() && plane.back().middle == middle && plane.back().end == at)
            ++plane.back().end;
        else
            plane.push_back({middle, at, at + 1});
    }
    return planes;
}

class Widening {
  public:
    Widening(const std::vector<Plane>& planes, const Place& extent, const Ball& ball, bool* near)
        : planes_(planes), extent_(extent), reach_(reach_of(ball, extent)), near_(near) {
        for (std::int64_t a = 0; a <= reach_[0]; ++a)
            for (std::int64_t b = 0; b <= reach_[1]; ++b)
                half_width_.push_back(half_width_at(a, b, ball));
    }

    // Marks the voxels of one index of the first axis.
    void fill_plane(std::int64_t slow, const Worker& worker) const {
        bool* plane = near_ + slow * extent_[1] * extent_[2];
        std::fill_n(plane, extent_[1] * extent_[2], false);
        Pace pace(worker);
        const std::int64_t last = std::min(slow + reach_[0], extent_[0] - 1);
        for (std::int64_t from = std::max<std::int64_t>(slow - reach_[0], 0); from <= last; ++from)
            for (const Run& run : planes_[static_cast<std::size_t>(from)]) {
                widen(run, std::abs(from - slow), plane);
                if (pace.stopped_after(8 * reach_[1] + 8)) return;
            }
    }

  private:
    // Of the ball, at this distance from its centre along the first two axes; −1 outside.
    std::int64_t half_width_at(std::int64_t a, std::int64_t b, const Ball& ball) const {
        std::int64_t half = -1;
        while (half < reach_[2] && squared_mm({a, b, half + 1}, ball.spacing_mm) <= squared_radius_mm(ball))
            ++half;
        return half;
    }

    void widen(const Run& run, std::int64_t away, bool* plane) const {
        const std::int64_t last = std::min(run.middle + reach_[1], extent_[1] - 1);
        for (std::int64_t row = std::max<std::int64_t>(run.middle - reach_[1], 0); row <= last; ++row) {
            const std::int64_t b = std::abs(row - run.middle);
            const std::int64_t half = half_width_[static_cast<std::size_t>(away * (reach_[1] + 1) + b)];
            if (half < 0) continue;
            const std::int64_t first = std::max<std::int64_t>(run.first - half, 0);
            const std::int64_t end = std::min(run.end + half, extent_[2]);
            std::fill(plane + row * extent_[2] + first, plane + row * extent_[2] + end, true);
        }
    }

    const std::vector<Plane>& planes_;
    Place extent_, reach_;
    std::vector<std::int64_t> half_width_;
    bool* near_;
};

// Of an array with up to three axes, as a volume's three: the lacking ones come first and have one element.
template <class T> std::array<T, 3> three_axes(const std::vector<T>& of, T lacking) {
    std::array<T, 3> three;
    three.fill(lacking);
    std::copy(of.begin(), of.end(), three.end() - static_cast<std::ptrdiff_t>(of.size()));
    return three;
}

} // namespace

void find_near(const View& mask, const std::vector<std::int64_t>& shape, double radius_mm,
               const std::vector<double>& spacing_mm, bool* near, const Team& team) {
    const Place extent = three_axes<std::int64_t>(shape, 1);
    const Ball ball{radius_mm, three_axes(spacing_mm, 1.0)};
    const std::vector<Plane> planes = runs_of(marked_voxels(mask, shape, false, team), extent);
    const Widening widening(planes, extent, ball, near);
    const std::int64_t voxels = extent[0] * extent[1] * extent[2];
    team.run(
        extent[0], [&](std::int64_t slow, const Worker& worker) { widening.fill_plane(slow, worker); },
        static_cast<int>(std::clamp<std::int64_t>(voxels / voxels_of_a_thread, 1, INT_MAX)));
}

} // namespace fastfuse
