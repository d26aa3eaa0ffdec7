// Reads blocks of votes of any kind, and notes which pattern each voxel has.
#pragma once

#include <cstdint>
#include <vector>

#include "votes/key_table.hpp"
#include "votes/pattern_index.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// Scratch of one thread.
class Noter {
  public:
    Noter(const Votes& votes, IdCounts& counts)
        : votes_(votes), counts_(counts), block_(votes), ids_(static_cast<std::size_t>(block_rows)) {}

    // `id_of(batch, row)`: of a row with votes. `notes` may be null.
    template <class IdOf>
    UniformGroups read(std::int64_t index, const VotedGroups* voted, const Output* notes, int thread,
                       const IdOf& id_of) {
        read_block(votes_, index, block_, voted);
        const Batch batch = batch_of(votes_, block_);
        ids_[0] = NotedPatterns::zero_id;
        for (std::int64_t r = 0; r < block_.rows; ++r) {
            const auto row = static_cast<std::size_t>(r);
            if (r > 0) ids_[row] = id_of(batch, r);
            counts_.add(ids_[row], static_cast<std::int64_t>(block_.count[row]), thread);
        }
        UniformGroups groups{block_.zero_groups, block_.outside_groups};
        if (notes) take_notes(*notes, groups);
        return groups;
    }

  private:
    void take_notes(const Output& notes, UniformGroups& groups) const {
        for (std::int64_t begin = 0, group = 0; begin < block_.voxels; begin += group_voxels, ++group) {
            if ((groups.zero | groups.outside) >> group & 1) continue;
            const std::int64_t end = std::min(begin + group_voxels, block_.voxels);
            std::int32_t before = -1;
            for (std::int64_t k = begin; k < end; ++k) {
                const std::int32_t row = block_.row[static_cast<std::size_t>(k)];
                std::uint32_t id = row < 0 ? NotedPatterns::outside_id : ids_[static_cast<std::size_t>(row)];
                if (id == NotedPatterns::lone_id) {
                    groups.lone |= std::uint64_t{1} << group;
                    if (row == before) id = NotedPatterns::lone_on_id;
                }
                notes.put_note(block_.first + k, id);
                before = row;
            }
        }
    }

    const Votes& votes_;
    IdCounts& counts_;
    Block block_;
    std::vector<std::uint32_t> ids_;
};

} // namespace fastfuse
