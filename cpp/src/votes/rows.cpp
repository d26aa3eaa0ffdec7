#include "votes/rows.hpp"

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

} // namespace

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

void load_key(const Batch& batch, std::int64_t row, double* key) {
    for (int i = 0; i < batch.raters; ++i)
        key[i] = batch.votes_of(i)[row];
    if (batch.prior) key[batch.raters] = batch.prior[row];
}

std::unique_ptr<BatchReader> VoxelRows::reader() const { return std::make_unique<VoxelReader>(votes_); }

} // namespace fastfuse
