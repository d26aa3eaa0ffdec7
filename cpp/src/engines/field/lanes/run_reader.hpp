// Runs of a volume's voxels as columns of floats or doubles: in place where the caller's arrays allow it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/votes.hpp"
#include "votes/layout/runs.hpp"

namespace fastfuse {

constexpr std::int64_t run_voxels = 1024; // the longest run

// Reads votes without a label to select, none of which may be missing. They are not checked. Scratch of one
// thread.
template <class T> class RunReader {
  public:
    explicit RunReader(const Votes& votes);

    // What is read is valid until the next call.
    void begin(std::int64_t first, std::int64_t voxels);
    // 1 inside the mask, else 0; null where all voxels of the run are inside.
    const std::uint8_t* inside() const { return all_inside_ ? nullptr : inside_.data(); }
    // A rater's votes; 0 outside the mask.
    const T* votes_of(int rater);
    // The prior map, if there is one.
    const double* prior();

  private:
    const Votes& votes_;
    std::int64_t first_ = 0, voxels_ = 0;
    std::vector<NativeRuns> runs_; // of each rater
    std::optional<NativeRuns> mask_, prior_map_;
    bool all_inside_ = true;
    std::array<std::uint8_t, run_voxels> inside_;
    std::vector<std::array<T, run_voxels>> copies_;
    std::array<double, run_voxels> prior_;
};

extern template class RunReader<float>;
extern template class RunReader<double>;

} // namespace fastfuse
