// Index from voxels to the patterns of their bits.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "votes/pattern_index.hpp"

namespace fastfuse::masks {

// A pattern is its own number, of one byte or two. Those of a block's busy groups lie one after the other
// where the block's consensus goes, until that overwrites them.
template <class Code> class CodeIndex : public PatternIndex {
  public:
    // `row_of_code`: -1 outside the mask, and of patterns that do not occur.
    CodeIndex(const Output& notes, std::int64_t voxels, std::vector<UniformGroups> groups,
              std::vector<std::int32_t> row_of_code)
        : notes_(notes), voxels_(voxels), groups_(std::move(groups)), row_of_code_(std::move(row_of_code)) {}

    // `to` may be the array of the notes.
    void write(const std::vector<double>& value_of_row, const Output& to, const Team& team) const override;
    void rows_of_voxels(std::int32_t* row, const Team& team) const override;
    UniformGroups rows_of_block(std::int64_t block, std::int32_t* row) const override;

  private:
    template <class T>
    void spread(const std::vector<T>& value_of_code, T outside, T* to, const Team& team) const;
    const Code* codes_of(std::int64_t block, std::vector<Code>& room) const;

    Output notes_;
    std::int64_t voxels_;
    std::vector<UniformGroups> groups_; // one entry a block
    std::vector<std::int32_t> row_of_code_;
};

} // namespace fastfuse::masks
