// A table's rows, then the lone voxels: those whose patterns the table leaves out. Each run of them is a row,
// and its votes are read again whenever it is asked for, so that it needs no memory and costs nothing but
// itself.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "votes/pattern_index.hpp"
#include "votes/rows.hpp"
#include "votes/tabulation.hpp"

namespace fastfuse {

// Blocks whose lone voxels are read together: `blocks` numbers of them.
struct LoneJob {
    const std::int64_t* block;
    std::int64_t blocks;
};

// Reads the lone voxels of some blocks. Scratch of one thread.
class LoneReader {
  public:
    LoneReader(const Votes& votes, const PatternIndex& index);
    Batch read(const LoneJob& job);                            // valid until the next call
    const std::vector<LoneRun>& runs() const { return runs_; } // row r of the batch

  private:
    void list(std::int64_t block);
    void read_votes(std::int64_t block, std::size_t begin);
    void read_column(const View& view, std::int64_t block, std::size_t begin, double* to);
    bool is_read(std::size_t row) const;

    const Votes& votes_;
    const PatternIndex& index_;
    std::vector<LoneRun> runs_;
    std::vector<double> vote_, count_, prior_, other_;
    std::vector<std::byte> native_;
};

class TableAndLoneRows : public Rows {
  public:
    // All must outlive it.
    TableAndLoneRows(const Votes& votes, const Tabulation& tabulation);
    int raters() const override { return table_.raters(); }
    std::int64_t batches() const override { return table_batches() + lone_jobs(); }
    std::unique_ptr<BatchReader> reader() const override;

    const TableRows& of_table() const { return table_; }
    std::int64_t table_batches() const { return table_.batches(); }
    Batch batch(std::int64_t index) const { return table_.batch(index); } // of the table
    std::int64_t lone_jobs() const { return static_cast<std::int64_t>(jobs_.size()); }
    const LoneJob& lone_job(std::int64_t job) const { return jobs_[static_cast<std::size_t>(job)]; }
    LoneReader lone_reader() const { return {votes_, *tabulation_.index}; }

  private:
    const Votes& votes_;
    const Tabulation& tabulation_;
    const TableRows table_;
    std::vector<LoneJob> jobs_;
};

} // namespace fastfuse
