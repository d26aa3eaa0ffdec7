#include "fastfuse/cuts.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "support/simd.hpp"
#include "support/sum_over_jobs.hpp"
#include "votes/layout/runs.hpp"
#include "votes/missing/nan.hpp"

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

// The same where votes may be missing, with the number of voters; adds the marks of the consensus on which
// the rater votes.
FASTFUSE_CLONES std::int64_t cut_those_there(const float* vote, float level, const std::uint32_t* mark,
                                             std::int64_t n, float* sum, std::uint32_t* voters,
                                             std::int64_t& marked, std::int64_t& seen) {
    std::uint32_t all = 0, both = 0, there = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        const std::uint32_t votes = vote[k] == vote[k] ? 1 : 0; // else NaN
        const std::uint32_t is_mark = vote[k] >= level ? 1 : 0;
        all += is_mark;
        both += is_mark & mark[k];
        there += votes & mark[k];
        voters[k] += votes;
        sum[k] += votes ? vote[k] : 0;
    }
    marked += all;
    seen += there;
    return both;
}

std::int64_t cut_by_voters(const float* sum, const std::uint32_t* voters, const std::vector<float>& levels,
                           std::int64_t n, std::uint32_t* mark) {
    std::int64_t marked = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        mark[k] = voters[k] > 0 && sum[k] >= levels[voters[k]] ? 1 : 0;
        marked += mark[k];
    }
    return marked;
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
        seen[i] += other.seen[i];
        marked[i] += other.marked[i];
        both[i] += other.both[i];
    }
}

namespace {

// Scratch of one thread.
class Counter {
  public:
    Counter(const View& consensus, const std::vector<View>& raters, const Cuts& cuts,
            const std::vector<std::int64_t>& shape)
        : cuts_(cuts), written_(consensus, shape), votes_of_(raters.size()) {
        for (const View& view : raters)
            votes_.emplace_back(view, shape);
    }

    void count(std::int64_t first, std::int64_t n, CutCounts& part) {
        const std::int64_t marked = cut(written_.at(first, n), cuts_.consensus, n, mark_.data());
        part.consensus += marked;
        bool missing = false;
        for (std::size_t i = 0; i < votes_.size(); ++i) {
            votes_of_[i] = votes_[i].at(first, n);
            missing |= has_nan(votes_of_[i], n);
        }
        sum_.fill(0);
        voters_.fill(0);
        for (std::size_t i = 0; i < votes_.size(); ++i) {
            if (!missing) part.seen[i] += marked;
            part.both[i] +=
                missing
                    ? cut_those_there(votes_of_[i], cuts_.votes[i], mark_.data(), n, sum_.data(),
                                      voters_.data(), part.marked[i], part.seen[i])
                    : cut_and_add(votes_of_[i], cuts_.votes[i], mark_.data(), n, sum_.data(), part.marked[i]);
        }
        part.mean += missing ? cut_by_voters(sum_.data(), voters_.data(), cuts_.sums, n, of_mean_.data())
                             : cut(sum_.data(), cuts_.sums.back(), n, of_mean_.data());
        part.mean_and_consensus += count_both(mark_.data(), of_mean_.data(), n);
    }

  private:
    const Cuts& cuts_;
    FloatRuns written_;
    std::vector<FloatRuns> votes_;
    std::vector<const float*> votes_of_;
    Floats sum_;
    Flags mark_, of_mean_, voters_;
};

} // namespace

CutCounts count_cuts(const View& consensus, const std::vector<View>& raters, const Cuts& cuts,
                     const std::vector<std::int64_t>& shape, const Team& team) {
    const std::int64_t voxels =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    const std::int64_t runs = (voxels + run_voxels - 1) / run_voxels;
    const auto make = [&] {
        return [&, counter = Counter(consensus, raters, cuts, shape)](std::int64_t job,
                                                                      const Worker& worker) mutable {
            CutCounts part(raters.size());
            const std::int64_t end = std::min(runs, (job + 1) * runs_of_job);
            for (std::int64_t run = job * runs_of_job; run < end && !worker.stopped(); ++run) {
                const std::int64_t first = run * run_voxels;
                counter.count(first, std::min(run_voxels, voxels - first), part);
            }
            return part;
        };
    };
    return sum_over_jobs((runs + runs_of_job - 1) / runs_of_job, team, CutCounts(raters.size()), make);
}

} // namespace fastfuse
