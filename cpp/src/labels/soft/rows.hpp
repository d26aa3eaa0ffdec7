// Reads soft votes a block at a time, as rows: runs of voxels with the same votes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastfuse/soft_labels.hpp"
#include "labels/mapped/priors.hpp"
#include "labels/reading/blocks.hpp"

namespace fastfuse {

// Rows of a block. Scratch of one thread.
struct SoftRows {
    SoftRows(int raters, std::size_t labels, bool has_prior);

    std::int64_t capacity; // rows at most, and distance of columns
    std::int64_t size = 0;
    std::vector<double> count;     // voxels of each row; 0 where nobody votes
    std::vector<double> dropped;   // by truncation, Σ_i
    std::vector<double> votes;     // q_i(b) of row r at (i K + b) capacity + r; 0 where missing
    std::vector<double> present;   // 1 where rater i votes, else 0, at i * capacity + r
    std::vector<double> priors;    // π(a) of row r at a * capacity + r; empty: the same everywhere
    std::int64_t clamped = 0;      // voxels of the block whose prior was
    std::int64_t first = 0;        // voxel, or row of the table
    std::vector<std::int32_t> row; // of each voxel from `first` on; −1 outside the mask

    double* q(int i, std::size_t b) {
        return votes.data() + (static_cast<std::size_t>(i) * labels_ + b) * stride();
    }
    const double* q(int i, std::size_t b) const {
        return votes.data() + (static_cast<std::size_t>(i) * labels_ + b) * stride();
    }
    double* votes_of(int i) { return present.data() + static_cast<std::size_t>(i) * stride(); }
    const double* votes_of(int i) const { return present.data() + static_cast<std::size_t>(i) * stride(); }
    // Null where the prior is the same everywhere.
    const double* prior(std::size_t a) const {
        return priors.empty() ? nullptr : priors.data() + a * stride();
    }
    double* prior(std::size_t a) { return priors.data() + a * stride(); }
    std::size_t labels() const { return labels_; }
    int raters() const { return raters_; }

  private:
    std::size_t stride() const { return static_cast<std::size_t>(capacity); }
    int raters_;
    std::size_t labels_;
};

// Blocks of the votes: of voxels, or of rows of the table.
std::int64_t soft_blocks(const SoftVotes& votes);

// Scratch of one thread.
class SoftReader {
  public:
    explicit SoftReader(const SoftVotes& votes);

    // Throws BadInput for the first rater of the block who has a bad vote.
    const SoftRows& read(std::int64_t block);

  private:
    void read_grid();
    void read_tuples();
    void read_classes(int rater);
    void read_map(int rater);
    void put_kind(int rater, std::size_t code, std::int64_t r);
    void check(int rater, const std::uint8_t* inside);
    void truncate();
    void gather_runs();
    bool is_same(std::int64_t k) const;

    const SoftVotes& votes_;
    SoftRows rows_;
    Inside inside_;
    PriorReader priors_;
    std::int64_t voxels_ = 0;
    std::vector<std::byte> native_;
    std::vector<double> wide_, sum_;
    std::vector<std::int64_t> begins_; // voxels at which runs begin
};

// Calls `look(reader, block, worker)` for the blocks of one of at most 64 jobs, the same for every team.
constexpr std::int64_t most_soft_jobs = 64;
inline std::int64_t soft_jobs(std::int64_t blocks) {
    return blocks < most_soft_jobs ? blocks : most_soft_jobs;
}
inline std::int64_t first_block(std::int64_t job, std::int64_t blocks) {
    return job * blocks / soft_jobs(blocks);
}

} // namespace fastfuse
