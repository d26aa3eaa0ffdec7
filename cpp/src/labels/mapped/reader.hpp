// Reads label maps that lie in a table, with a map of priors, a block of voxels at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastfuse/soft_labels.hpp"
#include "fastfuse/threads.hpp"
#include "labels/mapped/priors.hpp"
#include "votes/blocks.hpp"

namespace fastfuse {

// Scratch of one thread.
class MappedReader {
  public:
    explicit MappedReader(const SoftVotes& votes);

    static std::int64_t blocks(const SoftVotes& votes);

    // Throws BadInput for the first voxel of the block whose priors are none.
    void read(std::int64_t block);

    std::int64_t first() const { return first_; }
    std::int64_t voxels() const { return voxels_; }
    std::int64_t clamped() const { return clamped_; }
    // Of the table; −1 outside the mask.
    std::int64_t row(std::int64_t k) const { return row_[static_cast<std::size_t>(k)]; }
    double prior(std::size_t a, std::int64_t k) const {
        return priors_[a * block_voxels + static_cast<std::size_t>(k)];
    }

  private:
    const LabelTable& table_;
    PriorReader reader_;
    std::int64_t first_ = 0, voxels_ = 0, clamped_ = 0;
    std::vector<std::int64_t> row_;
    std::vector<std::uint8_t> inside_;
    std::vector<double> priors_;
};

Team mapped_team(const SoftVotes& votes, int threads, const ShouldStop& ask);

// Sets the mean of the priors where somebody votes, and how many voxels were clamped; checks all.
void survey_priors(const SoftVotes& votes, const Team& team, SoftSurvey& survey);

} // namespace fastfuse
