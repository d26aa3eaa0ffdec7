#include "engines/map/by_voxel.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <utility>

#include "em/spread.hpp"
#include "engines/map/expectation.hpp"
#include "engines/passes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

// Σ_B q(B) π a / (π a + (1 − π) b), with all 2^m patterns.
FASTFUSE_CLONES double mix_all(const double* q, const double* a, const double* b, double prior,
                               std::size_t patterns) {
    std::array<double, 8> sum{};
    const std::size_t lanes = std::min<std::size_t>(patterns, sum.size());
    for (std::size_t k = 0; k < patterns; k += lanes)
        for (std::size_t j = 0; j < lanes; ++j) {
            const double x = prior * a[k + j];
            sum[j] += q[k + j] * (x / (x + (1 - prior) * b[k + j]));
        }
    double total = 0;
    for (const double part : sum)
        total += part;
    return total;
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
        for (std::int64_t row = 0; row < batch.rows; ++row) {
            if (batch.may_miss && misses(batch, row)) {
                posterior_.foreground[static_cast<std::size_t>(row)] =
                    enumerator.find(row, nullptr).foreground;
                if (pace.stopped_after(enumerator.terms())) break;
                continue;
            }
            terms_.spread(batch, row, 1);
            posterior_.foreground[static_cast<std::size_t>(row)] = std::min(mix(batch.prior[row]), 1.0);
            if (pace.stopped_after(static_cast<std::int64_t>(terms_.size()))) break;
        }
        return posterior_;
    }

  private:
    static bool misses(const Batch& batch, std::int64_t row) {
        for (int i = 0; i < batch.raters; ++i)
            if (is_missing(batch.votes_of(i)[row])) return true;
        return false;
    }

    double mix(double prior) const {
        if (terms_.is_whole())
            return mix_all(terms_.weight(), patterns_.one.data(), patterns_.zero.data(), prior,
                           terms_.size());
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
