// The voxels within a Euclidean ball of a mask.
#include <algorithm>
#include <climits>
#include <vector>

#include "dilation/marked.hpp"
#include "dilation/widening.hpp"
#include "fastfuse/dilation.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t voxels_of_a_thread = 1 << 15; // fewer are not worth one

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
    const Coordinates extent = three_axes<std::int64_t>(shape, 1);
    const Ball ball{radius_mm, three_axes(spacing_mm, 1.0)};
    const Widening widening(marked_voxels(mask, shape, false, team), extent, Reach::of_ball(ball, extent));
    const std::int64_t voxels = extent[0] * extent[1] * extent[2];
    const std::int64_t in_plane = extent[1] * extent[2];
    const auto fill_plane = [&](std::int64_t slow, const Worker& worker) {
        bool* plane = near + slow * in_plane;
        std::fill_n(plane, in_plane, false);
        widening.widen_into(slow, plane, worker);
    };
    team.run(extent[0], fill_plane,
             static_cast<int>(std::clamp<std::int64_t>(voxels / voxels_of_a_thread, 1, INT_MAX)));
}

} // namespace fastfuse
