// Volumes from label maps with a map of priors: w of each voxel is found again, and written.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "labels/mapped/reader.hpp"
#include "labels/mapped/rows.hpp"
#include "labels/ranking.hpp"
#include "labels/truths.hpp"

namespace fastfuse {

// w of voxels. For all threads.
class MappedTruths {
  public:
    MappedTruths(const SoftVotes& votes, Candidates candidates, const Matrices& theta, Watch& watch);

    // Sets the labels that may be true at the block's voxel k, which is inside the mask.
    void find(const MappedReader& reader, std::int64_t k, std::vector<Candidate>& to) const;

  private:
    bool is_voted(std::int64_t row, Code code) const;

    const LabelTable& table_;
    RowTruths truths_; // weights: row_likelihoods
};

// Writes what `value_of(candidates)` answers for each voxel, and 0 outside the mask, by `put(voxel, value)`.
template <class T, class ValueOf, class Put>
void write_mapped(const SoftVotes& votes, const MappedTruths& truths, const Team& team,
                  const ValueOf& value_of, const Put& put) {
    PerThread<MappedReader> readers(team);
    team.run(MappedReader::blocks(votes), [&](std::int64_t block, const Worker& worker) {
        MappedReader& reader = readers.of(worker, [&] { return MappedReader(votes); });
        reader.read(block);
        std::vector<Candidate> row;
        for (std::int64_t k = 0; k < reader.voxels(); ++k) {
            T value{0};
            if (reader.row(k) >= 0) {
                truths.find(reader, k, row);
                value = value_of(row);
            }
            put(reader.first() + k, value);
        }
    });
}

} // namespace fastfuse
