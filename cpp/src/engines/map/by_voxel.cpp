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
    ByPatterns(const map::Terms& patterns, int raters) : patterns_(patterns), terms_(raters) {}

    const Posterior& operator()(const Batch& batch, const Worker& worker) override {
        Pace pace(worker);
        posterior_.make_room(batch.rows);
        for (std::int64_t row = 0; row < batch.rows; ++row) {
            terms_.spread(batch, row, 1);
            posterior_.foreground[static_cast<std::size_t>(row)] = std::min(mix(batch.prior[row]), 1.0);
            if (pace.stopped_after(static_cast<std::int64_t>(terms_.size()))) break;
        }
        return posterior_;
    }

  private:
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
    Spread terms_;
    Posterior posterior_;
};

} // namespace

std::unique_ptr<MapByVoxel> MapByVoxel::make(const Task& task) {
    Census census = Passes::of(task.votes, true, task.team)->survey(Gather::mean_vote);
    auto moments = map::Moments::of_dense(task.votes, task.plan.m_step == MStep::paper, task.team);
    if (!moments) return nullptr;
    return std::unique_ptr<MapByVoxel>(new MapByVoxel(task, std::move(census), std::move(*moments)));
}

MapByVoxel::MapByVoxel(const Task& task, Census census, map::Moments moments)
    : VoxelEngine(task), moments_(std::move(moments)) {
    census_ = std::move(census);
}

Sums MapByVoxel::expectation(const Performance& performance) {
    task_.team.look();
    Sums sums = map::expectation_of_patterns(moments_, performance, task_.team);
    sums.count = census_.mean_vote.count;
    return sums;
}

Written MapByVoxel::write(const Performance& performance) {
    const map::Terms patterns = map::patterns_as_terms(performance);
    return write_by([&] { return std::make_unique<ByPatterns>(patterns, task_.votes.size()); }, INT_MAX);
}

} // namespace fastfuse
