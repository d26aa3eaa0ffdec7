// A volume becomes its distinct vote patterns, each with its voxel count, and an index from voxels to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "fastfuse/parallel.hpp"
#include "fastfuse/rows.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse {

// The consensus, float or double a voxel. Until it is known, each voxel's slot keeps the number of the
// voxel's pattern, so that the index costs no memory of its own.
struct Consensus {
    std::byte* data = nullptr;
    bool wide = false; // double

    void put_pattern(std::int64_t voxel, std::uint32_t id) const {
        std::memcpy(data + voxel * (wide ? 8 : 4), &id, sizeof id);
    }
    std::uint32_t pattern(std::int64_t voxel) const {
        std::uint32_t id;
        std::memcpy(&id, data + voxel * (wide ? 8 : 4), sizeof id);
        return id;
    }
    void put(std::int64_t voxel, double probability) const {
        const auto narrow = static_cast<float>(probability);
        if (wide)
            std::memcpy(data + voxel * 8, &probability, 8);
        else
            std::memcpy(data + voxel * 4, &narrow, 4);
    }
};

class Patterns : public Rows {
  public:
    // Reads the volume once. Null if it has more than `capacity` distinct patterns: then it pays to stay
    // with the voxels.
    static std::unique_ptr<Patterns> find(const Votes& votes, const Consensus& index, std::int64_t capacity,
                                          const Team& team);

    int raters() const override { return raters_; }
    std::int64_t batches() const override;
    std::unique_ptr<BatchReader> reader() const override;
    Batch batch(std::int64_t index) const;
    std::int64_t size() const { return size_; }

    // Replaces every voxel's pattern number by the probability of its row.
    void write(const std::vector<double>& probability_of_row, const Consensus& to, const Team& team) const;

  private:
    static std::unique_ptr<Patterns> try_find(const Votes& votes, const Consensus& index,
                                              std::int64_t capacity, const Team& team);

    int raters_ = 0;
    std::int64_t voxels_ = 0;
    std::int64_t size_ = 0;
    std::vector<double> vote_; // columns of size_ rows, sorted
    std::vector<double> count_;
    std::vector<double> prior_;
    std::vector<std::int64_t> row_of_id_;                     // -1 for id 0: voxels outside the mask
    std::vector<std::uint64_t> zero_groups_, outside_groups_; // of each block
};

} // namespace fastfuse
