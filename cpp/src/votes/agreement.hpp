// How each rater agrees with the consensus.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "support/raw_vector.hpp"
#include "votes/rows.hpp"

namespace fastfuse {

// Least and greatest of some probabilities.
struct Range {
    double lowest = 1, highest = 0;
    void include(double probability) {
        lowest = std::min(lowest, probability);
        highest = std::max(highest, probability);
    }
    void include(const Range& other) {
        lowest = std::min(lowest, other.lowest);
        highest = std::max(highest, other.highest);
    }
};

// Range and sums of a consensus that was written.
struct Written {
    explicit Written(int raters = 0)
        : marked_by(static_cast<std::size_t>(raters)), seen_by(marked_by.size()), neither(marked_by.size()) {}
    void add(const Written& other) {
        range.include(other.range);
        if (other.half_marks) {
            if (!half_marks) half_marks.emplace();
            half_marks->add(*other.half_marks);
        }
        for (std::size_t i = 0; i < marked_by.size(); ++i) {
            marked_by[i] += other.marked_by[i];
            seen_by[i] += other.seen_by[i];
            neither[i] += other.neither[i];
        }
    }
    // Adds one row whose consensus is w.
    void add(const Batch& batch, std::int64_t row, double w) {
        const double count = batch.count[row];
        if (count == 0) return;
        range.include(w);
        for (std::size_t i = 0; i < marked_by.size(); ++i) {
            const double q = batch.votes_of(static_cast<int>(i))[row];
            if (is_missing(q)) continue;
            marked_by[i] += count * w * q;
            seen_by[i] += count * w;
            neither[i] += count * (1 - w) * (1 - q);
        }
    }
    // Takes one voxel of a row from the consensus `before` to `w`.
    void add_change(const Batch& batch, std::int64_t row, double before, double w) {
        range.include(w);
        for (std::size_t i = 0; i < marked_by.size(); ++i) {
            const double q = batch.votes_of(static_cast<int>(i))[row];
            if (is_missing(q)) continue;
            marked_by[i] += (w - before) * q;
            seen_by[i] += w - before;
            neither[i] += (before - w) * (1 - q);
        }
    }
    Range range;
    std::vector<double> marked_by; // Σ c w q_i
    std::vector<double> seen_by;   // Σ c w over the voxels that rater i votes on
    std::vector<double> neither;   // Σ c (1 − w)(1 − q_i), not a difference of the others
    std::optional<HalfMarks> half_marks;
};

// Sums of a batch whose rows have the consensus w.
inline Written written_of(const Batch& batch, const RawVector<double>& w) {
    Written written(batch.raters);
    for (std::int64_t row = 0; row < batch.rows; ++row)
        written.add(batch, row, w[static_cast<std::size_t>(row)]);
    return written;
}

} // namespace fastfuse
