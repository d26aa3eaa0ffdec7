// Index from voxels to the rows of a vote table.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse {

// Bit g: all voxels of a block's group g are without any vote, or outside the mask.
struct UniformGroups {
    std::uint64_t zero = 0, outside = 0;
};

class PatternIndex {
  public:
    virtual ~PatternIndex() = default;
    // Writes the value of every voxel's row, 0 outside the mask.
    virtual void write(const std::vector<double>& value_of_row, const Output& to, const Team& team) const = 0;
    // Writes the row of every voxel; -1 outside the mask. Must be called before `write`.
    virtual void rows_of_voxels(std::int32_t* row, const Team& team) const = 0;
    // Writes the rows of a block's voxels, except those of its uniform groups, which it returns. Must be
    // called before the block's consensus is written. Of votes in this machine's memory only.
    virtual UniformGroups rows_of_block(std::int64_t /*block*/, std::int32_t* /*row*/) const {
        throw std::logic_error("rows_of_block: the votes lie on a device");
    }
};

// Pattern ids of the voxels, kept in the consensus array until the consensus overwrites them. An id is a
// pattern's number in the key table, plus 2. Groups of voxels without votes have no ids in the array.
class NotedPatterns : public PatternIndex {
  public:
    static constexpr std::uint32_t outside_id = 0; // voxels outside the mask
    static constexpr std::uint32_t zero_id = 1;    // voxels without any vote

    // `row_of_id`: -1 for voxels outside the mask.
    NotedPatterns(const Output& notes, std::int64_t voxels, std::vector<UniformGroups> groups,
                  std::vector<std::int64_t> row_of_id)
        : notes_(notes), voxels_(voxels), groups_(std::move(groups)), row_of_id_(std::move(row_of_id)) {}

    // `to` may be the array of the notes.
    void write(const std::vector<double>& value_of_row, const Output& to, const Team& team) const override;
    void rows_of_voxels(std::int32_t* row, const Team& team) const override;
    UniformGroups rows_of_block(std::int64_t block, std::int32_t* row) const override;

  private:
    template <class Fill, class Put> void scatter(const Team& team, const Fill& fill, const Put& put) const;

    Output notes_;
    std::int64_t voxels_;
    std::vector<UniformGroups> groups_; // one entry a block
    std::vector<std::int64_t> row_of_id_;
};

} // namespace fastfuse
