#include "votes/pattern_index.hpp"

#include <algorithm>

#include "votes/blocks.hpp"

namespace fastfuse {

// Calls `fill(first, n, id)` for runs of voxels of one pattern, `put(voxel, id)` for the others.
template <class Fill, class Put>
void NotedPatterns::scatter(const Team& team, const Fill& fill, const Put& put) const {
    team.run(static_cast<std::int64_t>(groups_.size()), [&](std::int64_t block, const Worker&) {
        const std::int64_t first = block * block_voxels;
        const std::int64_t end = std::min(first + block_voxels, voxels_);
        const auto [zero, outside] = groups_[static_cast<std::size_t>(block)];
        if (zero == ~std::uint64_t{0}) return fill(first, end - first, zero_id);
        for (std::int64_t begin = first, group = 0; begin < end; begin += group_voxels, ++group) {
            const std::int64_t n = std::min(group_voxels, end - begin);
            if (zero >> group & 1)
                fill(begin, n, zero_id);
            else if (outside >> group & 1)
                fill(begin, n, outside_id);
            else
                for (std::int64_t voxel = begin; voxel < begin + n; ++voxel)
                    put(voxel, notes_.note(voxel));
        }
    });
}

void NotedPatterns::write(const std::vector<double>& value_of_row, const Output& to, const Team& team) const {
    std::vector<double> value(row_of_id_.size()); // value of each id; 0 outside the mask
    for (std::size_t id = zero_id; id < row_of_id_.size(); ++id)
        value[id] = value_of_row[static_cast<std::size_t>(row_of_id_[id])];
    scatter(
        team, [&](std::int64_t first, std::int64_t n, std::uint32_t id) { to.fill(first, n, value[id]); },
        [&](std::int64_t voxel, std::uint32_t id) { to.put(voxel, value[id]); });
}

void NotedPatterns::rows_of_voxels(std::int32_t* row, const Team& team) const {
    const auto row_of = [&](std::uint32_t id) { return static_cast<std::int32_t>(row_of_id_[id]); };
    scatter(
        team,
        [&](std::int64_t first, std::int64_t n, std::uint32_t id) {
            std::fill_n(row + first, n, row_of(id));
        },
        [&](std::int64_t voxel, std::uint32_t id) { row[voxel] = row_of(id); });
}

UniformGroups NotedPatterns::rows_of_block(std::int64_t block, std::int32_t* row) const {
    const UniformGroups uniform = groups_[static_cast<std::size_t>(block)];
    const std::int64_t first = block * block_voxels, end = std::min(first + block_voxels, voxels_);
    for (std::int64_t begin = first, group = 0; begin < end; begin += group_voxels, ++group) {
        if ((uniform.zero | uniform.outside) >> group & 1) continue;
        for (std::int64_t voxel = begin; voxel < std::min(begin + group_voxels, end); ++voxel)
            row[voxel - first] = static_cast<std::int32_t>(row_of_id_[notes_.note(voxel)]);
    }
    return uniform;
}

} // namespace fastfuse
