#include "engines/lanes.hpp"

#include <cmath>
#include <utility>

#include "engines/lanes/missing/groups.hpp"

namespace fastfuse {

LanesEngine::LanesEngine(const Task& task, std::unique_ptr<Passes> lanes)
    : VoxelEngine(task), lanes_(std::move(lanes)) {}

Gather LanesEngine::to_gather() const {
    if (task_.plan.masses != MassUse::when_cheaper || !lanes_->gathers_masses())
        return takes_sample() ? Gather::sample : Gather::mean_vote;
    return task_.plan.m_step == MStep::paper ? Gather::masses_and_moments : Gather::masses;
}

// Of fewer voxels than these, or for more raters, a sample would cost more than it saves.
bool LanesEngine::takes_sample() const {
    constexpr std::int64_t fewest_voxels = 1 << 17;
    constexpr int most_raters = 12;
    const bool runs_em = task_.plan.model == Model::product && !task_.votes.place;
    return task_.options.acceleration == Acceleration::sample && runs_em && !task_.votes.prior &&
           !may_miss() && task_.votes.voxels() >= fewest_voxels && task_.votes.size() <= most_raters;
}

kernels::Step LanesEngine::step() const {
    if (task_.plan.model == Model::mean_vote) return kernels::Step::mean_vote;
    if (task_.plan.model == Model::log_linear) return kernels::Step::logs;
    return task_.plan.m_step == MStep::em ? kernels::Step::marks : kernels::Step::votes;
}

Census LanesEngine::survey() {
    try {
        census_ = lanes_->survey(to_gather());
    } catch (const TooManySets&) {
        lanes_.reset();
        return VoxelEngine::survey();
    }
    const bool masses = to_gather() == Gather::masses || to_gather() == Gather::masses_and_moments;
    if (masses && census_.mean_vote.count > 0) masses_.emplace(lanes_->take_masses());
    return census_;
}

Sums LanesEngine::expectation(const Performance& performance) {
    task_.team.look();
    if (lanes_ && !masses_)
        if (const auto sums = lanes_->expectation(step(), performance)) return *sums;
    return VoxelEngine::expectation(performance);
}

std::optional<Sums> LanesEngine::sampled_expectation(const Performance& performance) {
    task_.team.look();
    if (!lanes_) return std::nullopt;
    return lanes_->sampled_expectation(step(), performance);
}

bool LanesEngine::by_masses() const {
    return lanes_ ? masses_ || task_.plan.masses == MassUse::known : VoxelEngine::by_masses();
}

Written LanesEngine::write(const Performance& performance) {
    if (!lanes_) return VoxelEngine::write(performance);
    if (by_masses()) {
        hold_posterior(performance);
        return lanes_->mix(*masses_, performance, task_.consensus);
    }
    if (const auto written = lanes_->write(step(), performance, task_.consensus)) return *written;
    return VoxelEngine::write(performance);
}

Written LanesEngine::write_mean_vote() {
    const Performance none(task_.votes.size());
    if (!lanes_) return VoxelEngine::write_mean_vote();
    if (const auto written = lanes_->write(kernels::Step::mean_vote, none, task_.consensus)) return *written;
    return VoxelEngine::write_mean_vote();
}

Observed LanesEngine::observe(const Performance& performance) {
    if (!lanes_) return VoxelEngine::observe(performance);
    const double affordable =
        task_.votes.place ? 4e9 : 1e11; // terms; voxel by voxel where votes lie on a GPU
    const bool fractional = census_.most_fractional > 0;
    const bool costly = census_.mean_vote.count * std::ldexp(1.0, task_.votes.size()) > affordable;
    if (!is_maximised() || (masses_ && fractional && (costly || may_miss()))) return {};
    std::optional<Observed> found;
    if (task_.plan.model == Model::product) {
        found = lanes_->observe(performance, task_.options);
        if (found && !fractional) found->variability.clear();
    } else if (masses_ && fractional) {
        found = observe_masses(performance);
    }
    return found ? std::move(*found) : VoxelEngine::observe(performance);
}

std::optional<Observed> LanesEngine::observe_masses(const Performance& performance) const {
    auto variability = lanes_->variability(*masses_, performance, task_.options.estimates_prior());
    if (!variability) return std::nullopt;
    return Observed{information(*masses_, Model::product, performance, task_.options, task_.team),
                    std::move(*variability)};
}

} // namespace fastfuse
