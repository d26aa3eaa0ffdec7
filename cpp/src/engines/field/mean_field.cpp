#include "engines/field/mean_field.hpp"

#include <algorithm>
#include <cmath>

#include "votes/block_walk.hpp"

namespace fastfuse {
namespace {

constexpr double least_prior = 1e-300, greatest_prior = 1 - 0x1p-53; // the ends of (0, 1) in doubles

struct Nothing {
    void add(const Nothing&) {}
};

} // namespace

MeanField::MeanField(const Votes& votes, const std::vector<double>& coupling, const Region* region,
                     const Team& team)
    : votes_(votes), coupling_(coupling), team_(team), step_(votes.shape.size()),
      w_(static_cast<std::size_t>(votes.voxels()), 0.5), part_(w_.size(), Part::outside),
      logit_map_(votes.prior ? w_.size() : 0), prior_(w_.size(), 0.5) {
    std::int64_t step = 1;
    for (std::size_t axis = step_.size(); axis-- > 0; step *= votes.shape[axis])
        step_[axis] = step;
    start(region);
    for (std::size_t colour = 0; colour < 2; ++colour) {
        votes_of_colour_[colour] = votes;
        votes_of_colour_[colour].mask = view_of(colour_[colour], votes.shape);
        votes_of_colour_[colour].prior = view_of(prior_, votes.shape);
    }
}

// Calls `visit(voxel, coordinates)` for all voxels; the team shares the blocks.
template <class Visit> void MeanField::each_voxel(const Visit& visit) const {
    team_.run(block_count(votes_), [&](std::int64_t job, const Worker&) {
        const std::int64_t first = job * block_voxels, end = std::min(first + block_voxels, votes_.voxels());
        std::vector<std::int64_t> at(step_.size());
        for (std::size_t axis = 0; axis < at.size(); ++axis)
            at[axis] = first / step_[axis] % votes_.shape[axis];
        for (std::int64_t voxel = first; voxel < end; ++voxel) {
            visit(voxel, at);
            for (std::size_t axis = at.size(); axis-- > 0;) {
                if (++at[axis] < votes_.shape[axis]) break;
                at[axis] = 0;
            }
        }
    });
}

// w starts as the mean vote.
void MeanField::start(const Region* region) {
    const Performance none;
    const auto make = [&] {
        return [&, start = BatchExpectation(Model::mean_vote, MStep::paper, none)](
                   const Batch& batch, const Block& block, const Worker& worker) mutable {
            const RawVector<double>& mean = start.posterior(batch, worker).foreground;
            each_voxel_of(block, [&](std::int64_t voxel, std::int32_t row) {
                if (row < 0) return;
                const auto k = static_cast<std::size_t>(voxel);
                part_[k] = Part::free;
                if (batch.count[row] > 0) w_[k] = mean[static_cast<std::size_t>(row)];
                if (!logit_map_.empty())
                    logit_map_[k] = std::log(batch.prior[row]) - std::log1p(-batch.prior[row]);
            });
            return Nothing{};
        };
    };
    sum_over_blocks(votes_, team_, Nothing{}, make);
    for (std::size_t voxel = 0; region && voxel < w_.size(); ++voxel)
        if (region->agreed[voxel]) {
            part_[voxel] = Part::fixed;
            w_[voxel] = region->marked[voxel];
        }
    for (auto& colour : colour_)
        colour.assign(w_.size(), 0);
    each_voxel([&](std::int64_t voxel, const std::vector<std::int64_t>& at) {
        std::int64_t sum = 0;
        for (const std::int64_t coordinate : at)
            sum += coordinate;
        const auto k = static_cast<std::size_t>(voxel);
        colour_[static_cast<std::size_t>(sum % 2)][k] = part_[k] == Part::free;
    });
}

// β Σ_s k_st (2 w_s − 1)
double MeanField::pull(std::int64_t voxel, const std::vector<std::int64_t>& at) const {
    double sum = 0;
    const auto add = [&](std::int64_t neighbour, double coupling) {
        const auto k = static_cast<std::size_t>(neighbour);
        if (part_[k] != Part::outside) sum += coupling * (2 * w_[k] - 1);
    };
    for (std::size_t axis = 0; axis < at.size(); ++axis) {
        if (at[axis] > 0) add(voxel - step_[axis], coupling_[axis]);
        if (at[axis] + 1 < votes_.shape[axis]) add(voxel + step_[axis], coupling_[axis]);
    }
    return sum;
}

void MeanField::update_prior(std::size_t colour, double logit_prior) {
    each_voxel([&](std::int64_t voxel, const std::vector<std::int64_t>& at) {
        const auto k = static_cast<std::size_t>(voxel);
        if (!colour_[colour][k]) return;
        const double logit = (logit_map_.empty() ? logit_prior : logit_map_[k]) + pull(voxel, at);
        prior_[k] = std::clamp(1 / (1 + std::exp(-logit)), least_prior, greatest_prior);
    });
}

Sums MeanField::expectation(Model model, MStep m_step, const Performance& performance) {
    const double logit_prior = std::log(performance.prior) - std::log1p(-performance.prior);
    const auto nodes = nodes_for(model, performance);
    Sums total(votes_.size());
    for (std::size_t colour = 0; colour < 2; ++colour) {
        update_prior(colour, logit_prior);
        const Votes& votes = votes_of_colour_[colour];
        const auto make = [&] {
            return [&, find = BatchExpectation(model, m_step, performance, nodes)](
                       const Batch& batch, const Block& block, const Worker& worker) mutable {
                Sums sums = find(batch, worker);
                const RawVector<double>& w = find.last().foreground;
                each_voxel_of(block, [&](std::int64_t voxel, std::int32_t row) {
                    if (row >= 0) w_[static_cast<std::size_t>(voxel)] = w[static_cast<std::size_t>(row)];
                });
                return sums;
            };
        };
        total.add(sum_over_blocks(votes, team_, Sums(votes_.size()), make));
    }
    return total;
}

Written MeanField::write(const Output& to) const {
    const auto make = [&] {
        return [&](Batch batch, const Block& block, const Worker&) {
            std::vector<double> count(static_cast<std::size_t>(batch.rows));
            for (std::int64_t row = 0; row < batch.rows; ++row)
                count[static_cast<std::size_t>(row)] = batch.count[row] > 0;
            batch.count = count.data();
            Written written(batch.raters);
            each_voxel_of(block, [&](std::int64_t voxel, std::int32_t row) {
                const double w = row < 0 ? 0 : w_[static_cast<std::size_t>(voxel)];
                to.put(voxel, w);
                if (row >= 0) written.add(batch, row, w);
            });
            return written;
        };
    };
    return sum_over_blocks(votes_, team_, Written(votes_.size()), make);
}

} // namespace fastfuse
