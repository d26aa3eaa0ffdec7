// A voxel's votes as one row: the range of its log-odds S, and bounds on S.
#pragma once

#include "cuda/characteristic/kernels.hpp"
#include "cuda/votes.cuh"
#include "posterior/bounds.hpp"

namespace fastfuse::cuda {

struct Row : LogOdds {
    std::int64_t voxel = 0;
    double start = 0;    // S if every vote were 0
    double log_zero = 0; // E log p(B | truth 0), with 1 − π
};

__device__ inline bool is_fractional(double vote) { return vote > 0 && vote < 1; }

// The rows of a volume.
struct Rows {
    const Columns& columns;
    const Odds& odds;

    __device__ double vote(const Row& row, int rater) const { return read_vote(columns, rater, row.voxel); }

    __device__ Row begin(std::int64_t voxel) const {
        Row row;
        row.voxel = voxel;
        double above = 0, below = 0, mean = 0;
        row.start = row.base = odds.logit;
        row.log_zero = odds.log_background;
        for (int i = 0; i < columns.raters; ++i) {
            const double q = vote(row, i), gain = odds.gain[i];
            row.log_zero += q * odds.log_false_positive[i] + (1 - q) * odds.log_true_negative[i];
            row.start += odds.no[i];
            row.base += odds.no[i] + (q == 1 ? gain : 0);
            if (!is_fractional(q)) continue;
            (gain < 0 ? below : above) += gain;
            mean += q * gain;
            row.variance += q * (1 - q) * gain * gain;
            ++row.fractional;
        }
        row.lowest = row.base + below;
        row.highest = row.base + above;
        row.mean = row.base + mean;
        return row;
    }

    __device__ Tails tails(const Row& row) const {
        if (row.fractional < worth_bounding) return {row.lowest, row.highest};
        ChernoffBound bound(row);
        for (int i = 0; i < columns.raters; ++i) {
            const double q = vote(row, i);
            if (is_fractional(q)) bound.add(q, odds.gain[i]);
        }
        return bound.tails();
    }
};

} // namespace fastfuse::cuda
