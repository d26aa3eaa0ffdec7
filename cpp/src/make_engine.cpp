#include "make_engine.hpp"

#include <string>
#include <utility>

#include "cuda/engines.hpp"
#include "engines/field/field.hpp"
#include "engines/field/field_by_table.hpp"
#include "engines/field/lanes/field_by_lanes.hpp"
#include "engines/lanes.hpp"
#include "engines/map/by_table.hpp"
#include "engines/map/by_voxel.hpp"
#include "engines/rows.hpp"
#include "fastfuse/probe.hpp"

namespace fastfuse {
namespace {

// Masses are of floats: what is finer goes by the characteristic function.
std::unique_ptr<Passes> device_lanes(const Task& task, bool few_values) {
    const bool soft = task.options.method == Method::soft_staple;
    const bool few = task.votes.size() <= cuda::most_dense_raters;
    const bool fine = few_values || task.plan.fine;
    const bool enumerates = soft && task.plan.model == Model::enumerated;
    if (enumerates && !few)
        throw cuda::DeviceError("CUDA: expectation 'enumerate' takes at most " +
                                std::to_string(cuda::most_dense_raters) +
                                " raters whose votes make many patterns; leave it out");
    const bool by_nodes =
        soft && !enumerates &&
        (fine || !few || task.plan.model == Model::characteristic || task.plan.masses == MassUse::never);
    return cuda::passes(task.votes, fine, by_nodes);
}

std::unique_ptr<Engine> on_device(const Task& task) {
    cuda::Found found;
    if (task.plan.engine == EngineKind::device_table) found = cuda::find_patterns(task.votes);
    if (found.patterns) return std::make_unique<TableEngine>(task, std::move(*found.patterns));
    return std::make_unique<LanesEngine>(task, device_lanes(task, found.few_values));
}

// Lanes pass over all voxels, and take less for each of them: with more lone rows they are faster.
std::int64_t most_lone_rows(const Task& task) {
    constexpr std::int64_t lanes_a_row = 16;
    const std::int64_t voxels = task.votes.voxels();
    return task.plan.otherwise == EngineKind::lanes ? voxels / lanes_a_row : voxels;
}

// Null where the map's moments cannot serve.
std::unique_ptr<Engine> with_map(const Task& task) {
    const bool soft = task.options.method == Method::soft_staple;
    Votes votes = task.votes;
    votes.prior.reset();
    const bool by_table = !soft || probe(votes, task.options, task.team.watch()).repeats;
    if (by_table)
        if (auto engine = MapByTable::make(task)) return engine;
    if (soft && !task.votes.select_label && !(by_table && votes.may_miss())) return MapByVoxel::make(task);
    return nullptr;
}

// Whether a table's terms, which are taken one by one, cost less than all terms of all voxels in lanes.
bool pays_terms(const Task& task, const VoteTable& table) {
    constexpr double voxels_a_row = 4;
    return task.plan.otherwise != EngineKind::field_by_lanes ||
           voxels_a_row * static_cast<double>(table.size()) <= static_cast<double>(task.votes.voxels());
}

// Null where the votes have too many patterns.
std::unique_ptr<Engine> field_of_patterns(const Task& task, const Region* region) {
    Votes votes = task.votes;
    votes.prior.reset();
    auto found = find_patterns(votes, &task.consensus, default_capacity(votes), task.team);
    if (!found || (task.options.route == Route::automatic && !pays_terms(task, found->table))) return nullptr;
    return field_by_table(task, std::move(*found), region);
}

} // namespace

std::unique_ptr<Engine> make_engine(const Task& task, const Region* region) {
    const Plan& plan = task.plan;
    if (task.votes.place) return on_device(task);
    EngineKind kind = plan.engine;
    if (plan.otherwise == EngineKind::map) { // which passes over no voxels
        if (auto engine = with_map(task)) return engine;
    }
    if (kind == EngineKind::field_by_table) {
        if (auto engine = field_of_patterns(task, region)) return engine;
        kind = plan.otherwise;
    }
    if (kind == EngineKind::table) {
        auto found = find_patterns(task.votes, &task.consensus, default_capacity(task.votes), task.team,
                                   most_lone_rows(task));
        if (found) return std::make_unique<TableEngine>(task, std::move(*found));
        kind = plan.otherwise;
    }
    if (kind == EngineKind::field) return std::make_unique<FieldEngine>(task, region);
    if (kind == EngineKind::field_by_lanes) return field_by_lanes(task, region);
    if (kind == EngineKind::lanes)
        return std::make_unique<LanesEngine>(task, Passes::of(task.votes, plan.fine, task.team));
    return std::make_unique<VoxelEngine>(task);
}

} // namespace fastfuse
