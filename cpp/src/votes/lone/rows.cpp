#include "votes/lone/rows.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

namespace fastfuse {
namespace {

template <class T>
void load_all(const std::byte* from, std::int64_t first, const LoneRun* run, std::int64_t n, double* to) {
    for (std::int64_t r = 0; r < n; ++r) {
        T value;
        std::memcpy(&value, from + (run[r].first - first) * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
        to[r] = static_cast<double>(value);
    }
}

// The values at the runs' first voxels, from an array that begins with voxel `first`.
void load(Scalar type, const std::byte* from, std::int64_t first, const LoneRun* run, std::int64_t n,
          double* to) {
    if (type == Scalar::f32) return load_all<float>(from, first, run, n, to); // the most frequent types
    if (type == Scalar::u8) return load_all<std::uint8_t>(from, first, run, n, to);
    for (std::int64_t r = 0; r < n; ++r)
        widen_all(type, from + (run[r].first - first) * size_of(type), 1, to + r);
}

// Reads the table's batches, then those of the lone voxels.
class BothReader : public BatchReader {
  public:
    explicit BothReader(const TableAndLoneRows& rows) : rows_(rows) {}
    Batch read(std::int64_t index) override {
        const std::int64_t of_table = rows_.table_batches();
        if (index < of_table) return rows_.batch(index);
        if (!lone_)
            lone_.emplace(rows_.lone_reader()); // its memory would cost a small table more than its E-step
        return lone_->read(rows_.lone_job(index - of_table));
    }

  private:
    const TableAndLoneRows& rows_;
    std::optional<LoneReader> lone_;
};

} // namespace

LoneReader::LoneReader(const Votes& votes, const PatternIndex& index)
    : votes_(votes), index_(index), vote_(static_cast<std::size_t>(votes.size() * batch_rows)),
      count_(static_cast<std::size_t>(batch_rows)), prior_(votes.prior ? count_.size() : 0),
      other_(count_.size()) {
    runs_.reserve(count_.size());
}

Batch LoneReader::read(const LoneJob& job) {
    runs_.clear();
    for (std::int64_t b = 0; b < job.blocks; ++b) {
        const std::size_t begin = runs_.size();
        list(job.block[b]);
        read_votes(job.block[b], begin);
    }
    for (std::size_t row = 0; row < runs_.size(); ++row)
        count_[row] = is_read(row) ? static_cast<double>(runs_[row].voxels) : 0;
    Batch batch;
    batch.raters = votes_.size();
    batch.rows = static_cast<std::int64_t>(runs_.size());
    batch.stride = batch_rows;
    batch.vote = vote_.data();
    batch.count = count_.data();
    batch.prior = votes_.prior ? prior_.data() : nullptr;
    batch.may_miss = votes_.may_miss();
    return batch;
}

// Leaves out what lies outside the mask.
void LoneReader::list(std::int64_t block) {
    const std::size_t begin = runs_.size();
    index_.list_lone(block, runs_);
    if (!votes_.mask) return;
    read_column(*votes_.mask, block, begin, other_.data());
    std::size_t kept = begin;
    for (std::size_t row = begin; row < runs_.size(); ++row)
        if (other_[row - begin] != 0) runs_[kept++] = runs_[row];
    runs_.resize(kept);
}

// The values of the runs from `begin` on, all of this block.
void LoneReader::read_column(const View& view, std::int64_t block, std::size_t begin, double* to) {
    const std::int64_t first = block * block_voxels, n = std::min(block_voxels, votes_.voxels() - first);
    load(view.type, native_run(view, votes_.shape, first, n, native_), first, runs_.data() + begin,
         static_cast<std::int64_t>(runs_.size() - begin), to);
}

void LoneReader::read_votes(std::int64_t block, std::size_t begin) {
    const std::size_t n = runs_.size() - begin;
    for (std::size_t i = 0; i < votes_.raters.size(); ++i) {
        double* vote = vote_.data() + i * static_cast<std::size_t>(batch_rows) + begin;
        read_column(votes_.raters[i], block, begin, vote);
        for (std::size_t r = 0; r < n; ++r) {
            if (votes_.missing == Missing::nan && std::isnan(vote[r]))
                vote[r] = missing_vote;
            else if (votes_.select_label)
                vote[r] = std::nearbyint(vote[r]) == *votes_.select_label;
            else
                vote[r] += 0.0; // turns −0 into 0
        }
        if (votes_.present.empty() || !votes_.present[i]) continue;
        read_column(*votes_.present[i], block, begin, other_.data());
        for (std::size_t r = 0; r < n; ++r)
            if (other_[r] == 0) vote[r] = missing_vote;
    }
    if (votes_.prior) read_column(*votes_.prior, block, begin, prior_.data() + begin);
}

bool LoneReader::is_read(std::size_t row) const {
    bool read = !votes_.may_miss();
    for (std::size_t i = 0; i < votes_.raters.size() && !read; ++i)
        read = !is_missing(vote_[i * static_cast<std::size_t>(batch_rows) + row]);
    return read;
}

// As many blocks in a job as fill a batch.
TableAndLoneRows::TableAndLoneRows(const Votes& votes, const Tabulation& tabulation)
    : votes_(votes), tabulation_(tabulation),
      table_(tabulation.table, tabulation.table.counts(), tabulation.priors) {
    std::vector<LoneRun> runs;
    std::size_t rows = 0;
    for (const std::int64_t& block : tabulation.lone) {
        runs.clear();
        tabulation.index->list_lone(block, runs);
        rows += runs.size();
        if (jobs_.empty() || rows > static_cast<std::size_t>(batch_rows)) {
            jobs_.push_back({&block, 0});
            rows = runs.size();
        }
        ++jobs_.back().blocks;
    }
}

std::unique_ptr<BatchReader> TableAndLoneRows::reader() const { return std::make_unique<BothReader>(*this); }

} // namespace fastfuse
