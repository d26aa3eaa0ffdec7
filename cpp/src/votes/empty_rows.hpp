// Voxels without any vote, as one row.
#pragma once

#include <memory>
#include <vector>

#include "votes/rows.hpp"

namespace fastfuse {

class EmptyRows : public Rows {
  public:
    EmptyRows(int raters, double count) : votes_(static_cast<std::size_t>(raters)), count_(count) {}
    int raters() const override { return static_cast<int>(votes_.size()); }
    std::int64_t batches() const override { return 1; }
    std::unique_ptr<BatchReader> reader() const override { return std::make_unique<Reader>(*this); }
    Batch batch() const {
        Batch batch;
        batch.raters = raters();
        batch.rows = batch.stride = 1;
        batch.vote = votes_.data();
        batch.count = &count_;
        return batch;
    }

  private:
    struct Reader : BatchReader {
        explicit Reader(const EmptyRows& rows) : rows_(rows) {}
        Batch read(std::int64_t) override { return rows_.batch(); }
        const EmptyRows& rows_;
    };
    std::vector<double> votes_;
    double count_;
};

} // namespace fastfuse
