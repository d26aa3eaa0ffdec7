#include "dilation/lesions.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace fastfuse {
namespace {

using Lesion = std::vector<std::int64_t>; // its voxels

constexpr std::uint32_t provisional = 1; // number of every lesion until all are found

// The component of a voxel that has no lesion yet (lesion 0).
Lesion flood(std::int64_t seed, const Field& field, Pace& pace) {
    Lesion lesion{seed};
    field.note(seed, State::mask, provisional);
    for (std::size_t k = 0; k < lesion.size() && !pace.stopped_after(27); ++k)
        field.neighbours(lesion[k], [&](std::int64_t voxel) {
            if (!field.is(voxel, State::mask, 0)) return;
            field.note(voxel, State::mask, provisional);
            lesion.push_back(voxel);
        });
    return lesion;
}

std::int64_t first_rank(const Lesion& lesion, const Field& field) {
    std::int64_t first = field.rank(lesion.front());
    for (const std::int64_t voxel : lesion)
        first = std::min(first, field.rank(voxel));
    return first;
}

} // namespace

std::vector<std::int64_t> note_lesions(std::vector<std::int64_t>& marked, const Field& field,
                                       const Worker& worker) {
    Pace pace(worker);
    for (const std::int64_t voxel : marked) {
        field.note(voxel, State::mask, 0);
        if (pace.stopped_after(1)) return {};
    }
    if (marked.empty()) return {};

    std::vector<Lesion> found;
    for (const std::int64_t voxel : marked) {
        if (!field.is(voxel, State::mask, 0)) continue;
        if (found.size() == Field::most_lesions) throw std::length_error("too many lesions to number");
        found.push_back(flood(voxel, field, pace));
        if (worker.stopped()) return {};
    }
    std::vector<std::int64_t> rank(found.size());
    std::transform(found.begin(), found.end(), rank.begin(),
                   [&](const Lesion& lesion) { return first_rank(lesion, field); });
    std::vector<std::size_t> order(found.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank[a] < rank[b]; });

    std::vector<std::int64_t> sizes;
    marked.clear();
    for (const std::size_t k : order) {
        sizes.push_back(static_cast<std::int64_t>(found[k].size()));
        marked.insert(marked.end(), found[k].begin(), found[k].end());
        for (const std::int64_t voxel : found[k]) {
            field.note(voxel, State::mask, static_cast<std::uint32_t>(sizes.size()));
            if (pace.stopped_after(1)) return {};
        }
    }
    return sizes;
}

} // namespace fastfuse
