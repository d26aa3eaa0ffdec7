// Which row of a table each voxel has, and volumes written from a value for each row.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "fastfuse/labels.hpp"
#include "support/raw_vector.hpp"
#include "votes/blocks.hpp"

namespace fastfuse {

class LabelIndex {
  public:
    static constexpr std::uint32_t outside = 0; // id of voxels outside the mask

    // `ids`: of each voxel. `row_of_id`: the row that each id stands for; of `outside`, none.
    LabelIndex(RawVector<std::uint32_t> ids, std::vector<std::int64_t> row_of_id)
        : ids_(std::move(ids)), row_of_id_(std::move(row_of_id)) {}

    std::int64_t voxels() const { return static_cast<std::int64_t>(ids_.size()); }

    // The row of the table that a voxel has; −1 outside the mask.
    std::int64_t row_of(std::int64_t voxel) const {
        return row_of_id_[ids_[static_cast<std::size_t>(voxel)]];
    }

    // Calls `put(voxel, value)` for each voxel.
    template <class T, class Put>
    void spread(const std::vector<T>& value_of_row, T value_outside, const Team& team, const Put& put) const {
        std::vector<T> value(row_of_id_.size(), value_outside);
        for (std::size_t id = outside + 1; id < value.size(); ++id)
            value[id] = value_of_row[static_cast<std::size_t>(row_of_id_[id])];
        constexpr std::int64_t voxels_of_job = 16 * block_voxels;
        team.run((voxels() + voxels_of_job - 1) / voxels_of_job, [&](std::int64_t job, const Worker&) {
            const std::int64_t end = std::min((job + 1) * voxels_of_job, voxels());
            for (std::int64_t voxel = job * voxels_of_job; voxel < end; ++voxel)
                put(voxel, value[ids_[static_cast<std::size_t>(voxel)]]);
        });
    }

  private:
    RawVector<std::uint32_t> ids_;
    std::vector<std::int64_t> row_of_id_;
};

} // namespace fastfuse
