#include "votes/rows.hpp"

#include <algorithm>

namespace fastfuse {
namespace {

class VoxelReader : public BatchReader {
  public:
    explicit VoxelReader(const Votes& votes) : votes_(votes), block_(votes) {}

    Batch read(std::int64_t index) override {
        read_block(votes_, index, block_);
        return batch_of(votes_, block_);
    }

  private:
    const Votes& votes_;
    Block block_;
};

class TableReader : public BatchReader {
  public:
    explicit TableReader(const TableRows& rows) : rows_(rows) {}
    Batch read(std::int64_t index) override { return rows_.batch(index); }

  private:
    const TableRows& rows_;
};

} // namespace

TableRows::TableRows(const VoteTable& table, const std::vector<double>& counts,
                     const std::vector<double>& priors)
    : table_(table), count_(counts.data()), prior_(priors.empty() ? nullptr : priors.data()) {}

std::unique_ptr<BatchReader> TableRows::reader() const { return std::make_unique<TableReader>(*this); }

Batch TableRows::batch(std::int64_t index) const {
    const std::int64_t first = index * batch_rows;
    Batch batch;
    batch.raters = table_.raters();
    batch.rows = std::min(batch_rows, table_.size() - first);
    batch.stride = table_.size();
    batch.vote = table_.votes().data() + first;
    batch.count = count_ + first;
    batch.prior = prior_ ? prior_ + first : nullptr;
    batch.may_miss = table_.may_miss();
    return batch;
}

Batch batch_of(const Votes& votes, const Block& block) {
    Batch batch;
    batch.raters = votes.size();
    batch.rows = block.rows;
    batch.stride = block_rows;
    batch.vote = block.vote.data();
    batch.count = block.count.data();
    batch.prior = votes.prior ? block.prior.data() : nullptr;
    batch.may_miss = votes.may_miss();
    return batch;
}

Batch row_of(const Batch& batch, std::int64_t row) {
    Batch one = batch;
    one.rows = 1;
    one.vote += row;
    one.count += row;
    if (one.prior) one.prior += row;
    if (one.moment) one.moment += row;
    return one;
}

int fractional_votes(const Batch& batch, std::int64_t row) {
    int n = 0;
    for (int i = 0; i < batch.raters; ++i)
        n += is_fractional(batch.votes_of(i)[row]);
    return n;
}

void load_key(const Batch& batch, std::int64_t row, double* key) {
    for (int i = 0; i < batch.raters; ++i)
        key[i] = batch.votes_of(i)[row];
    if (batch.prior) key[batch.raters] = batch.prior[row];
}

std::unique_ptr<BatchReader> VoxelRows::reader() const { return std::make_unique<VoxelReader>(votes_); }

} // namespace fastfuse
