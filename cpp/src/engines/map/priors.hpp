// A prior map, a block at a time, as doubles. Scratch of one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "fastfuse/votes.hpp"
#include "votes/blocks.hpp"

namespace fastfuse::map {

class Priors {
  public:
    explicit Priors(const Votes& votes) : votes_(votes), item_(size_of(votes.prior->type)) {}

    void read(std::int64_t block) {
        const std::int64_t first = block * block_voxels;
        voxels_ = std::min(block_voxels, votes_.voxels() - first);
        from_ = native_run(*votes_.prior, votes_.shape, first, voxels_, copy_);
    }
    std::int64_t voxels() const { return voxels_; } // of the block

    // Whether n voxels from `begin` on have one prior: much of an atlas has.
    bool are_one(std::int64_t begin, std::int64_t n) const {
        const std::byte* from = from_ + begin * item_;
        return std::memcmp(from, from + item_, static_cast<std::size_t>((n - 1) * item_)) == 0;
    }
    // At most a group of them, valid until the next call.
    const double* values(std::int64_t begin, std::int64_t n) {
        widen_all(votes_.prior->type, from_ + begin * item_, n, values_.data());
        return values_.data();
    }

  private:
    const Votes& votes_;
    std::int64_t item_;
    std::vector<std::byte> copy_;
    const std::byte* from_ = nullptr;
    std::array<double, group_voxels> values_;
    std::int64_t voxels_ = 0;
};

} // namespace fastfuse::map
