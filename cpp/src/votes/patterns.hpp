// A volume becomes its distinct vote patterns, each with its voxel count, and an index from voxels to them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"
#include "fastfuse/votes.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// Rows as one table, and an index from voxels to them.
class IndexedRows : public Rows {
  public:
    std::int64_t batches() const override { return (size() + batch_rows - 1) / batch_rows; }
    std::unique_ptr<BatchReader> reader() const override;
    virtual Batch batch(std::int64_t index) const = 0;
    virtual std::int64_t size() const = 0;
    // Writes the probability of every voxel's row, 0 outside the mask.
    virtual void write(const std::vector<double>& probability_of_row, const Output& to,
                       const Team& team) const = 0;
};

class Patterns : public IndexedRows {
  public:
    // Reads the volume once. Null if it has more than `capacity` distinct patterns: then it pays to stay
    // with the voxels.
    static std::unique_ptr<Patterns> find(const Votes& votes, const Output& notes, std::int64_t capacity,
                                          const Team& team);

    int raters() const override { return raters_; }
    Batch batch(std::int64_t index) const override;
    std::int64_t size() const override { return size_; }
    double count(std::int64_t row) const { return count_[static_cast<std::size_t>(row)]; }

    // In the place of the notes.
    void write(const std::vector<double>& probability_of_row, const Output& to,
               const Team& team) const override;

    // The row of every voxel, -1 outside the mask, from the notes.
    void rows_of_voxels(const Output& notes, std::int32_t* row, const Team& team) const;

  private:
    static std::unique_ptr<Patterns> try_find(const Votes& votes, const Output& notes, std::int64_t capacity,
                                              const Team& team);

    int raters_ = 0;
    bool may_miss_ = false;
    std::int64_t voxels_ = 0;
    std::int64_t size_ = 0;
    std::vector<double> vote_; // columns of size_ rows, sorted
    std::vector<double> count_;
    std::vector<double> prior_;
    std::vector<std::int64_t> row_of_id_;                     // -1 for id 0: voxels outside the mask
    std::vector<std::uint64_t> zero_groups_, outside_groups_; // of each block
};

} // namespace fastfuse
