#include "dilation/marked.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "fastfuse/errors.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t run_voxels = 16384;    // of one read
constexpr std::int64_t stretch_voxels = 1024; // skipped together if all are zero
constexpr std::int64_t group_voxels = 64;     // skipped together in the other stretches

bool is_marked(double value, bool binarize, std::int64_t voxel) {
    if (!std::isfinite(value)) throw BadInput(BadInput::Kind::not_finite, -1, voxel, value);
    if (!binarize && value != 0 && value != 1) throw BadInput(BadInput::Kind::not_binary, -1, voxel, value);
    return value > 0;
}

// `from`: the voxels' data in native layout.
void mark_group(Scalar type, const std::byte* from, std::int64_t first, std::int64_t n, bool binarize,
                std::vector<std::int64_t>& marked) {
    std::array<double, group_voxels> value;
    widen_all(type, from, n, value.data());
    for (std::int64_t k = 0; k < n; ++k)
        if (is_marked(value[static_cast<std::size_t>(k)], binarize, first + k)) marked.push_back(first + k);
}

} // namespace

std::vector<std::int64_t> marked_voxels(const View& mask, const std::vector<std::int64_t>& shape,
                                        bool binarize, const Team& team) {
    std::int64_t voxels = 1;
    for (const std::int64_t extent : shape)
        voxels *= extent;
    const std::int64_t item = size_of(mask.type);
    std::vector<std::vector<std::int64_t>> runs(
        static_cast<std::size_t>((voxels + run_voxels - 1) / run_voxels));
    team.run(static_cast<std::int64_t>(runs.size()), [&](std::int64_t job, const Worker&) {
        const std::int64_t first = job * run_voxels;
        const std::int64_t n = std::min(run_voxels, voxels - first);
        std::vector<std::byte> copy;
        const std::byte* data = native_run(mask, shape, first, n, copy);
        std::int64_t next = 0;
        for (std::int64_t k = 0; k < n; k = next) {
            next = std::min(k + stretch_voxels, n);
            if (k % stretch_voxels == 0 && all_zero(data + k * item, (next - k) * item)) continue;
            next = std::min(k + group_voxels, n);
            const std::int64_t in_group = next - k;
            if (all_zero(data + k * item, in_group * item)) continue;
            mark_group(mask.type, data + k * item, first + k, in_group, binarize,
                       runs[static_cast<std::size_t>(job)]);
        }
    });
    std::size_t size = 0;
    for (const auto& run : runs)
        size += run.size();
    std::vector<std::int64_t> marked;
    marked.reserve(size);
    for (const auto& run : runs) {
        team.look();
        marked.insert(marked.end(), run.begin(), run.end());
    }
    return marked;
}

} // namespace fastfuse
