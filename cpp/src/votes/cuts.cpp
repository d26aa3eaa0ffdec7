#include "fastfuse/cuts.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "support/simd.hpp"
#include "support/sum_over_jobs.hpp"
#include "votes/layout/runs.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t run_voxels = 1 << 11;
constexpr std::int64_t runs_of_job = 16;

using Floats = std::array<float, static_cast<std::size_t>(run_voxels)>;
using Flags = std::array<std::uint32_t, static_cast<std::size_t>(run_voxels)>;

FASTFUSE_CLONES std::int64_t cut(const float* value, float level, std::int64_t n, std::uint32_t* mark) {
    std::uint32_t marked = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        mark[k] = value[k] >= level ? 1 : 0;
        marked += mark[k];
    }
    return marked;
}

// Adds a rater's votes to the sum; returns how many of them are marks where `mark` is.
FASTFUSE_CLONES std::int64_t cut_and_add(const float* vote, float level, const std::uint32_t* mark,
                                         std::int64_t n, float* sum, std::int64_t& marked) {
    std::uint32_t all = 0, both = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        const std::uint32_t is_mark = vote[k] >= level ? 1 : 0;
        all += is_mark;
        both += is_mark & mark[k];
        sum[k] += vote[k];
    }
    marked += all;
    return both;
}

FASTFUSE_CLONES std::int64_t count_both(const std::uint32_t* one, const std::uint32_t* other,
                                        std::int64_t n) {
    std::uint32_t both = 0;
    for (std::int64_t k = 0; k < n; ++k)
        both += one[k] & other[k];
    return both;
}

// An array of halves or floats, a run at a time as floats. Scratch of one thread.
class FloatRuns {
  public:
    FloatRuns(const View& view, const std::vector<std::int64_t>& shape)
        : runs_(view, shape), type_(view.type) {}

    const float* at(std::int64_t first, std::int64_t n) {
        const std::byte* from = runs_.at(first, n);
        const bool aligned = reinterpret_cast<std::uintptr_t>(from) % alignof(float) == 0;
        if (type_ == Scalar::f32 && aligned) return reinterpret_cast<const float*>(from);
        copy_.resize(static_cast<std::size_t>(run_voxels));
        convert_all(type_, from, n, copy_.data());
        return copy_.data();
    }

  private:
    NativeRuns runs_;
    Scalar type_;
    std::vector<float> copy_;
};

} // namespace

void CutCounts::add(const CutCounts& other) {
    consensus += other.consensus;
    mean += other.mean;
    mean_and_consensus += other.mean_and_consensus;
    for (std::size_t i = 0; i < marked.size(); ++i) {
        marked[i] += other.marked[i];
        both[i] += other.both[i];
    }
}

CutCounts count_cuts(const View& consensus, const std::vector<View>& raters, const Cuts& cuts,
                     const std::vector<std::int64_t>& shape, const Team& team) {
    const std::int64_t voxels =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    const std::int64_t runs = (voxels + run_voxels - 1) / run_voxels;
    const auto make = [&] {
        std::vector<FloatRuns> votes;
        for (const View& view : raters)
            votes.emplace_back(view, shape);
        return [&, votes = std::move(votes), written = FloatRuns(consensus, shape), sum = Floats(),
                mark = Flags(), of_mean = Flags()](std::int64_t job, const Worker& worker) mutable {
            CutCounts part(raters.size());
            const std::int64_t end = std::min(runs, (job + 1) * runs_of_job);
            for (std::int64_t run = job * runs_of_job; run < end && !worker.stopped(); ++run) {
                const std::int64_t first = run * run_voxels, n = std::min(run_voxels, voxels - first);
                part.consensus += cut(written.at(first, n), cuts.consensus, n, mark.data());
                sum.fill(0);
                for (std::size_t i = 0; i < votes.size(); ++i)
                    part.both[i] += cut_and_add(votes[i].at(first, n), cuts.votes[i], mark.data(), n,
                                                sum.data(), part.marked[i]);
                part.mean += cut(sum.data(), cuts.sum, n, of_mean.data());
                part.mean_and_consensus += count_both(mark.data(), of_mean.data(), n);
            }
            return part;
        };
    };
    return sum_over_jobs((runs + runs_of_job - 1) / runs_of_job, team, CutCounts(raters.size()), make);
}

} // namespace fastfuse
