#include "engines/map/by_voxel.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "em/spread.hpp"
#include "engines/map/expectation.hpp"
#include "engines/passes.hpp"
#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

using Doubles = kernels::Lanes<double, 64>;
constexpr std::int64_t width = kernels::lanes_in<double, 64>;

// A quotient, not divided yet.
struct Quotient {
    Doubles over, under;
};

FASTFUSE_INLINE Doubles between(const Doubles& q, const Doubles& none, const Doubles& one) {
    return (1 - q) * none + q * one;
}

FASTFUSE_INLINE Quotient between(const Doubles& q, const Quotient& none, const Quotient& one) {
    return {between(q, none.over * one.under, one.over * none.under), none.under * one.under};
}

// π a / (π a + (1 − π) b)
FASTFUSE_INLINE Quotient posterior(const Doubles& prior, double a, double b) {
    const Doubles x = prior * a;
    return {x, x + (1 - prior) * b};
}

// Σ_B q(B) π a / (π a + (1 − π) b) of `width` rows. Rater by rater, what is known of the patterns without
// their mark meets what is known of those with it.
FASTFUSE_CLONES void mix_rows(const Batch& batch, std::int64_t row, const double* a, const double* b,
                              double* w) {
    const auto prior = kernels::load<Doubles>(batch.prior + row);
    const auto first = kernels::load<Doubles>(batch.vote + row);
    std::array<Doubles, most_fractional + 1>
        known; // at i: without the mark of rater i, with those before it summed
    for (std::size_t pattern = 0; pattern >> batch.raters == 0; pattern += 2) {
        const Quotient both = between(first, posterior(prior, a[pattern], b[pattern]),
                                      posterior(prior, a[pattern + 1], b[pattern + 1]));
        Doubles found = both.over / both.under;
        int i = 1;
        for (; pattern >> i & 1; ++i)
            found = between(kernels::load<Doubles>(batch.votes_of(i) + row),
                            known[static_cast<std::size_t>(i)], found);
        known[static_cast<std::size_t>(i)] = found;
    }
    kernels::store(w, known[static_cast<std::size_t>(batch.raters)]);
}

class ByPatterns : public Consenter {
  public:
    ByPatterns(const map::Terms& patterns, const Performance& performance)
        : patterns_(patterns), performance_(performance),
          terms_(static_cast<int>(performance.sensitivity.size())) {}

    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        Pace pace(worker);
        posterior_.make_room(batch.rows);
        RowEnumerator enumerator(batch, performance_);
        double* w = posterior_.foreground.data();
        std::int64_t done = 0;
        for (std::int64_t row = 0; row < batch.rows; row += done) {
            const std::int64_t terms = terms_of_rows(batch, row);
            const std::int64_t all = std::int64_t{1} << batch.raters;
            const bool in_lanes = row + width <= batch.rows && terms >= all && !misses(batch, row, width);
            done = in_lanes ? width : 1;
            if (in_lanes)
                mix_rows(batch, row, patterns_.one.data(), patterns_.zero.data(), w + row);
            else
                w[row] = misses(batch, row, 1) ? enumerator.find(row, nullptr).foreground : mix(batch, row);
            for (std::int64_t k = row; k < row + done; ++k)
                w[k] = std::min(w[k], 1.0); // the weights sum to 1, except for rounding
            if (pace.stopped_after(in_lanes ? all : terms)) break;
        }
        return posterior_;
    }

  private:
    // Whether one of n rows lacks a vote.
    static bool misses(const Batch& batch, std::int64_t row, std::int64_t n) {
        for (int i = 0; i < batch.raters && batch.may_miss; ++i)
            if (std::any_of(batch.votes_of(i) + row, batch.votes_of(i) + row + n, is_missing)) return true;
        return false;
    }

    // Of the next `width` rows: how many binary patterns have a weight in their votes.
    static std::int64_t terms_of_rows(const Batch& batch, std::int64_t row) {
        std::int64_t terms = 0;
        for (std::int64_t k = row; k < std::min(row + width, batch.rows); ++k)
            terms += std::int64_t{1} << fractional_votes(batch, k);
        return terms;
    }

    double mix(const Batch& batch, std::int64_t row) {
        terms_.spread(batch, row, 1);
        const double prior = batch.prior[row];
        double w = 0;
        for (std::size_t k = 0; k < terms_.size(); ++k) {
            const std::uint32_t pattern = terms_.pattern()[k];
            const double x = prior * patterns_.one[pattern];
            w += terms_.weight()[k] * (x / (x + (1 - prior) * patterns_.zero[pattern]));
        }
        return w;
    }

    const map::Terms& patterns_;
    const Performance& performance_;
    Spread terms_;
    Posterior posterior_;
};

// A group's voxels as rows. Scratch of one thread.
class GroupRows {
  public:
    explicit GroupRows(int raters)
        : raters_(raters), vote_(static_cast<std::size_t>(raters) * room), count_(room, 1) {}

    Batch of(const Group<double>& group) {
        std::fill(vote_.begin(), vote_.end(), missing_vote);
        for (std::size_t k = 0; k < group.raters.size(); ++k)
            std::copy_n(group.columns.vote[k], group.voxels,
                        vote_.begin() + static_cast<std::ptrdiff_t>(group.raters[k] * room));
        Batch batch;
        batch.raters = raters_;
        batch.rows = group.voxels;
        batch.stride = static_cast<std::int64_t>(room);
        batch.vote = vote_.data();
        batch.count = count_.data();
        batch.prior = group.columns.prior;
        batch.may_miss = true;
        return batch;
    }

  private:
    static constexpr auto room = static_cast<std::size_t>(Group<double>::room);
    int raters_;
    std::vector<double> vote_, count_;
};

} // namespace

std::unique_ptr<MapByVoxel> MapByVoxel::make(const Task& task) {
    Census census;
    try {
        census = Passes::of(task.votes, true, task.team)->survey(Gather::mean_vote);
    } catch (const TooManySets&) {
        return nullptr;
    }
    auto moments = map::Moments::of_dense(task.votes, task.plan.m_step == MStep::paper, task.team);
    if (!moments) return nullptr;
    return std::unique_ptr<MapByVoxel>(new MapByVoxel(task, std::move(census), std::move(*moments)));
}

MapByVoxel::MapByVoxel(const Task& task, Census census, map::Moments moments)
    : VoxelEngine(task), moments_(std::move(moments)) {
    census_ = std::move(census);
    if (!task.votes.may_miss()) return;
    partial_.emplace(task.votes, task.team);
    partial_->sum<Sums>([] { return [](const Tile<double>&, Sums&) {}; }); // finds them
}

Sums MapByVoxel::expectation(const Performance& performance) {
    task_.team.look();
    Sums sums = map::expectation_of_patterns(moments_, performance, task_.team);
    if (partial_) sums.add(partial_expectation(performance));
    sums.count = census_.mean_vote.count;
    return sums;
}

Sums MapByVoxel::partial_expectation(const Performance& performance) {
    return partial_->sum_partial<Sums>([&] {
        return [rows = GroupRows(task_.votes.size()),
                find = BatchExpectation(Model::enumerated, task_.plan.m_step, performance)](
                   const Group<double>& group, Sums& part, const Worker& worker) mutable {
            if (!group.raters.empty()) part.add(find(rows.of(group), worker));
        };
    });
}

Written MapByVoxel::write(const Performance& performance) {
    const map::Terms patterns = map::patterns_as_terms(performance);
    return write_by([&] { return std::make_unique<ByPatterns>(patterns, performance); }, INT_MAX);
}

} // namespace fastfuse
