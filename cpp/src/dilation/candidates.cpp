#include "dilation/candidates.hpp"

#include <algorithm>

#include "dilation/ball.hpp"

namespace fastfuse {
namespace {

constexpr double tie_tolerance = 1e-9; // relative: squared distances this close differ by rounding alone

bool claim(std::int64_t voxel, std::uint32_t lesion, const Field& field,
           std::vector<std::int64_t>& candidates) {
    if (field.state(voxel) != State::untouched) return false;
    field.note(voxel, State::waiting, lesion);
    candidates.push_back(voxel);
    return true;
}

struct Offset {
    Coordinates step;
    std::int64_t voxels; // the step as a difference of indices
    double squared_mm;
};

Coordinates plus(const Coordinates& a, const Coordinates& b) {
    return {a[0] + b[0], a[1] + b[1], a[2] + b[2]};
}
Coordinates minus(const Coordinates& a, const Coordinates& b) {
    return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}

// All steps within the ball except the one to itself, the shortest first.
std::vector<Offset> offsets_of(const Ball& ball, const Coordinates& reach, const Field& field) {
    const double squared_radius = squared_radius_mm(ball);
    std::vector<Offset> offsets;
    for (std::int64_t a = -reach[0]; a <= reach[0]; ++a)
        for (std::int64_t b = -reach[1]; b <= reach[1]; ++b)
            for (std::int64_t c = -reach[2]; c <= reach[2]; ++c) {
                const double squared = squared_mm({a, b, c}, ball.spacing_mm);
                if (squared > 0 && squared <= squared_radius)
                    offsets.push_back({{a, b, c}, field.voxel({a, b, c}), squared});
            }
    std::sort(offsets.begin(), offsets.end(),
              [](const Offset& a, const Offset& b) { return a.squared_mm < b.squared_mm; });
    return offsets;
}

// End of the steps that are as long as the first.
template <class Iterator> Iterator end_of_shell(Iterator shell, Iterator end) {
    return std::find_if(shell, end, [&](const Offset& step) {
        return step.squared_mm > shell->squared_mm * (1 + tie_tolerance);
    });
}

// Marked voxels that have a neighbour outside the mask. The marked voxel nearest to a candidate is one of
// them.
std::vector<std::int64_t> surface_of(const std::vector<std::int64_t>& marked, const Field& field,
                                     Pace& pace) {
    std::vector<std::int64_t> surface;
    for (const std::int64_t voxel : marked) {
        bool open = false;
        field.faces(voxel, [&](std::int64_t face) { open |= field.state(face) != State::mask; });
        if (open) surface.push_back(voxel);
        if (pace.stopped_after(6)) break;
    }
    return surface;
}

} // namespace

std::vector<std::int64_t> dilate_by_cross(const std::vector<std::int64_t>& marked, int iterations,
                                          const Field& field, const Worker& worker) {
    std::vector<std::int64_t> candidates;
    Pace pace(worker);
    // Each layer is sorted by lesion, as the mask is, so that the lower number comes first.
    const auto dilate = [&](std::int64_t voxel) {
        const std::uint32_t lesion = field.lesion(voxel);
        field.faces(voxel, [&](std::int64_t face) { claim(face, lesion, field, candidates); });
        return !pace.stopped_after(6);
    };
    for (const std::int64_t voxel : marked)
        if (!dilate(voxel)) return {};
    std::size_t done = 0;
    for (int k = 1; k < iterations && done < candidates.size(); ++k)
        for (const std::size_t end = candidates.size(); done < end; ++done)
            if (!dilate(candidates[done])) return {};
    return candidates;
}

std::vector<std::int64_t> dilate_by_ball(const std::vector<std::int64_t>& marked, const Ball& ball,
                                         const Grid& grid, const Field& field, const Worker& worker) {
    const Coordinates reach = reach_of(ball, grid.extent);
    const std::vector<Offset> offsets = offsets_of(ball, reach, field);
    // With a single lesion it does not matter from which voxel a candidate is reached.
    const bool separate = !marked.empty() && field.lesion(marked.back()) > 1;
    Pace pace(worker);
    const std::vector<std::int64_t> surface = surface_of(marked, field, pace);
    std::vector<std::int64_t> candidates;
    for (auto shell = offsets.begin(); shell != offsets.end();) {
        const auto end = separate ? end_of_shell(shell, offsets.end()) : offsets.end();
        for (const std::int64_t voxel : surface) { // sorted by lesion: the lower number comes first
            const Coordinates at = field.place(voxel);
            const std::uint32_t lesion = field.lesion(voxel);
            const bool far_from_border = field.contains(minus(at, reach)) && field.contains(plus(at, reach));
            for (auto offset = shell; offset != end; ++offset)
                if (far_from_border || field.contains(plus(at, offset->step)))
                    claim(voxel + offset->voxels, lesion, field, candidates);
            if (pace.stopped_after(end - shell)) return {};
        }
        shell = end;
    }
    return candidates;
}

} // namespace fastfuse
