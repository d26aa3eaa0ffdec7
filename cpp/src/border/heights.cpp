#include "border/heights.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "border/expectation.hpp"
#include "posterior/normalise.hpp"
#include "support/sum_over_jobs.hpp"
#include "votes/rows.hpp"

namespace fastfuse::border {
namespace {

constexpr int rounds = 3;
const double least_log = std::log(tiny);
constexpr double least_variance = 0.01, added_variance = 0.01;

// Normal distribution of the intensity at each level.
class Density {
  public:
    Levels mean{}, variance{};

    // ln of the density at each level, but for a summand that is common to all.
    void weigh(double height, Levels& log_r) const {
        for (std::size_t g = 0; g < border_levels; ++g) {
            const double off = height - mean[g];
            log_r[g] -= off * off * half_precision[g] + half_log_variance[g];
        }
    }
    void prepare() {
        for (std::size_t g = 0; g < border_levels; ++g) {
            half_precision[g] = 0.5 / variance[g];
            half_log_variance[g] = 0.5 * std::log(variance[g]);
        }
    }

  private:
    Levels half_precision{}, half_log_variance{};
};

// A block and the heights that lie in it.
struct Stretch {
    std::int64_t block, begin, end;
};

std::vector<Stretch> stretches_of(const Heights& heights) {
    std::vector<Stretch> found;
    const auto n = static_cast<std::int64_t>(heights.voxel.size());
    for (std::int64_t k = 0; k < n; ++k) {
        const std::int64_t block = heights.voxel[static_cast<std::size_t>(k)] / block_voxels;
        if (found.empty() || found.back().block != block) found.push_back({block, k, k});
        found.back().end = k + 1;
    }
    return found;
}

// A voxel whose intensity is known.
struct Seen {
    std::int64_t voxel;
    double height;
    const Batch& batch;
    std::int32_t row;    // of the batch; -1 outside the mask
    const Levels& r;     // by the votes; of a voxel outside the mask, of one that nobody marks
    const Levels& log_r; // its logarithm
};

// Goes over the voxels whose intensity is known, with r by their votes.
class Walk {
  public:
    Walk(const Votes& votes, const Border& border, const Team& team)
        : votes_(votes), curves_(curves_of(unscaled(border))), responsibility_(curves_, border.weights),
          stretches_(stretches_of(votes.heights)), team_(team) {
        responsibility_.of_no_mark(unmarked_);
    }

    // Sum of what `see` adds to its last argument.
    template <class Total, class See> Total sum(const Total& empty, const See& see) const {
        const auto make = [&] {
            return [&, block = Block(votes_)](std::int64_t job, const Worker& worker) mutable {
                Total total = empty;
                visit(stretches_[static_cast<std::size_t>(job)], block, worker,
                      [&](const Seen& seen) { see(seen, total); });
                return total;
            };
        };
        return sum_over_jobs(static_cast<std::int64_t>(stretches_.size()), team_, empty, make);
    }

  private:
    template <class See>
    void visit(const Stretch& stretch, Block& block, const Worker& worker, const See& see) const {
        read_block(votes_, stretch.block, block);
        const Batch batch = batch_of(votes_, block);
        std::int32_t held = -1; // the row whose r is known
        Levels r, log_r;
        Pace pace(worker);
        for (std::int64_t k = stretch.begin; k < stretch.end; ++k) {
            if (pace.stopped_after(static_cast<std::int64_t>(border_levels))) return;
            const auto at = static_cast<std::size_t>(k);
            const std::int64_t voxel = votes_.heights.voxel[at];
            const std::int32_t row = block.row_of(voxel - block.first);
            if (row >= 0 && row != held) {
                responsibility_.log_of(batch, held = row, log_r);
                r = log_r;
                const double whole = normalise(r);
                for (double& one : log_r)
                    one -= whole;
            }
            see({voxel, votes_.heights.height[at], batch, row, row < 0 ? unmarked_ : r, log_r});
        }
    }

    const Votes& votes_;
    const std::vector<Curve> curves_;
    const Responsibility responsibility_;
    const std::vector<Stretch> stretches_;
    const Team& team_;
    Levels unmarked_;
};

void add_voxel(const Levels& r, double height, HeightSums& sums) {
    for (std::size_t g = 0; g < border_levels; ++g) {
        sums.voxels[g] += r[g];
        sums.height[g] += r[g] * height;
        sums.square[g] += r[g] * height * height;
    }
}

// r with the intensity as evidence.
Levels weighed(const Levels& log_r, double height, const Density& density) {
    Levels r;
    for (std::size_t g = 0; g < border_levels; ++g)
        r[g] = std::max(log_r[g], least_log);
    density.weigh(height, r);
    normalise(r);
    return r;
}

// Means of nine levels, edges repeated.
Levels nine_points(const Levels& values) {
    constexpr auto last = static_cast<std::ptrdiff_t>(border_levels) - 1;
    Levels means;
    for (std::ptrdiff_t g = 0; g <= last; ++g) {
        double sum = 0;
        for (std::ptrdiff_t k = g - 4; k <= g + 4; ++k)
            sum += values[static_cast<std::size_t>(std::clamp(k, std::ptrdiff_t{0}, last))];
        means[static_cast<std::size_t>(g)] = sum / 9;
    }
    return means;
}

Density density_of(const HeightSums& sums) {
    Levels mean, spread;
    for (std::size_t g = 0; g < border_levels; ++g)
        mean[g] = sums.height[g] / std::max(sums.voxels[g], tiny);
    Density density;
    density.mean = nine_points(mean);
    for (std::size_t g = 0; g < border_levels; ++g) { // Σ r (h − μ)² / Σ r
        const double voxels = std::max(sums.voxels[g], tiny), middle = density.mean[g];
        const double share = sums.voxels[g] / voxels;
        spread[g] = sums.square[g] / voxels - 2 * middle * mean[g] + middle * middle * share;
    }
    density.variance = nine_points(spread);
    for (double& one : density.variance)
        one = std::max(one, least_variance) + added_variance;
    density.prepare();
    return density;
}

} // namespace

HeightSums sum_heights(const Votes& votes, const Border& border, const Team& team) {
    return Walk(votes, border, team).sum(HeightSums(), [](const Seen& seen, HeightSums& sums) {
        add_voxel(seen.r, seen.height, sums);
    });
}

void write_with_evidence(const Votes& votes, const Border& border, const Output& to, const Team& team,
                         Written& written) {
    const Walk walk(votes, border, team);
    std::optional<Density> density;
    for (int round = 0; round < rounds; ++round)
        density = density_of(walk.sum(HeightSums(), [&](const Seen& seen, HeightSums& sums) {
            if (seen.row >= 0)
                add_voxel(density ? weighed(seen.log_r, seen.height, *density) : seen.r, seen.height, sums);
        }));
    const Levels tau = consensus_at(border.scale, border.anchor);
    const Written change = walk.sum(Written(votes.size()), [&](const Seen& seen, Written& sums) {
        if (seen.row < 0) return;
        const double w = dot(weighed(seen.log_r, seen.height, *density), tau);
        to.put(seen.voxel, w);
        sums.add_change(seen.batch, seen.row, dot(seen.r, tau), w);
    });
    written.add(change);
}

} // namespace fastfuse::border
