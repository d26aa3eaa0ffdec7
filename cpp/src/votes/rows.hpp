// Weighted vote patterns, a batch at a time: the input of every E-step.
//
// A row is a vote pattern (q_1 … q_m) with the number of voxels c that have it. Rows come from the table of
// a volume's distinct patterns, from the volume itself, or from the masses of the 2^m binary patterns.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fastfuse/threads.hpp"
#include "fastfuse/vote_table.hpp"
#include "support/sum_over_jobs.hpp"
#include "votes/blocks.hpp"

namespace fastfuse {

struct Batch {
    int raters = 0;
    std::int64_t rows = 0;
    std::int64_t stride = 0;       // from one rater's column to the next
    const double* vote = nullptr;  // q_i of row r: vote[i * stride + r]
    const double* count = nullptr; // c of row r
    const double* prior = nullptr; // π of row r; null where one prior serves all
    // Σ_t q_it q_t(B) of row B: moment[i * moment_stride + r]; null unless the rows are masses
    const double* moment = nullptr;
    std::int64_t moment_stride = 0;

    bool may_miss = false; // a vote may be missing

    const double* votes_of(int rater) const { return vote + rater * stride; }
};

constexpr std::int64_t batch_rows = block_rows; // greatest number of rows in a batch

class BatchReader {
  public:
    virtual ~BatchReader() = default;
    // Valid until the next call.
    virtual Batch read(std::int64_t index) = 0;
};

class Rows {
  public:
    virtual ~Rows() = default;
    virtual int raters() const = 0;
    virtual std::int64_t batches() const = 0;
    // A reader for one thread. The rows must outlive it.
    virtual std::unique_ptr<BatchReader> reader() const = 0;
};

// A table's rows. The table, counts and priors must outlive it.
class TableRows : public Rows {
  public:
    // `priors`: of each row; may be empty.
    TableRows(const VoteTable& table, const std::vector<double>& counts, const std::vector<double>& priors);
    int raters() const override { return table_.raters(); }
    std::int64_t batches() const override { return (table_.size() + batch_rows - 1) / batch_rows; }
    std::unique_ptr<BatchReader> reader() const override;
    Batch batch(std::int64_t index) const;

  private:
    const VoteTable& table_;
    const double* count_;
    const double* prior_; // null without priors
};

// The volume's voxels as rows.
class VoxelRows : public Rows {
  public:
    explicit VoxelRows(const Votes& votes) : votes_(votes) {}
    int raters() const override { return votes_.size(); }
    std::int64_t batches() const override { return block_count(votes_); }
    std::unique_ptr<BatchReader> reader() const override;

  private:
    const Votes& votes_;
};

Batch batch_of(const Votes& votes, const Block& block);

Batch row_of(const Batch& batch, std::int64_t row);

inline bool is_fractional(double vote) { return vote > 0 && vote < 1; }
int fractional_votes(const Batch& batch, std::int64_t row);

// Key of a row's pattern: its votes and, with a prior map, its prior.
void load_key(const Batch& batch, std::int64_t row, double* key);

// Sum of what `make()(batch, worker)` returns for every batch. Each thread calls `make` once. `total` is
// empty at the start.
template <class Total, class Make>
Total sum_over(const Rows& rows, const Team& team, const Total& total, const Make& make) {
    const auto make_share = [&] {
        return [reader = rows.reader(), answer = make()](std::int64_t job, const Worker& worker) mutable {
            return answer(reader->read(job), worker);
        };
    };
    return sum_over_jobs(rows.batches(), team, total, make_share);
}

} // namespace fastfuse
