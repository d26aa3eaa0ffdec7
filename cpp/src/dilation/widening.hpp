// The voxels around marked ones: each run of marked voxels along the last axis marks, in every row that a
// shape around it reaches, a run that is longer by the shape's half width there.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dilation/field.hpp"

namespace fastfuse {

// What is laid around every marked voxel. All are symmetric about it.
class Reach {
  public:
    static Reach of_ball(const Ball& ball, const Coordinates& extent);
    // What so many dilations with the 6-connected cross reach: |a| + |b| + |c| ≤ steps.
    static Reach of_cross(int steps, const Coordinates& extent);

    // In voxels along each axis, at most the volume's extent.
    const Coordinates& most() const { return most_; }
    // Along the last axis, at this distance from its middle along the first two; −1: it does not reach there.
    std::int64_t half_width(std::int64_t a, std::int64_t b) const {
        return half_width_[static_cast<std::size_t>(a * (most_[1] + 1) + b)];
    }

  private:
    explicit Reach(const Coordinates& most) : most_(most) {}
    Coordinates most_;
    std::vector<std::int64_t> half_width_;
};

class Widening {
  public:
    // `marked`: in memory order.
    Widening(const std::vector<std::int64_t>& marked, const Coordinates& extent, Reach reach);

    // Sets what is reached in one plane of the last two axes; all of it is clear before. False if the worker
    // is stopped.
    bool widen_into(std::int64_t slow, bool* plane, const Worker& worker) const;
    // Clears the plane's marked voxels.
    void clear_marked(std::int64_t slow, bool* plane) const;
    // Whether anything is reached in the plane.
    bool reaches(std::int64_t slow) const;

  private:
    // Marked voxels first … end − 1 along the last axis.
    struct Run {
        std::int64_t middle, first, end;
    };
    using Plane = std::vector<Run>; // runs of one index of the first axis

    std::int64_t first_near(std::int64_t slow) const;
    std::int64_t last_near(std::int64_t slow) const;
    void widen(const Run& run, std::int64_t away, const std::vector<char>& is_full, bool* plane) const;
    bool find_full(const bool* plane, std::vector<char>& is_full) const;

    Coordinates extent_;
    Reach reach_;
    std::vector<Plane> planes_;
};

} // namespace fastfuse
