#include "engines/rows.hpp"

#include <algorithm>
#include <climits>
#include <cmath>
#include <utility>

#include "em/costs.hpp"
#include "posterior/enumeration.hpp"
#include "votes/block_walk.hpp"

namespace fastfuse {

Census RowsEngine::survey() {
    census_ = take_census(rows(), task_.plan.m_step == MStep::em, task_.team);
    if (task_.plan.model == Model::enumerated && census_.most_fractional > most_fractional)
        throw BadInput(BadInput::Kind::too_many_fractional, -1, -1, census_.most_fractional);
    // Either one table of 2^m masses for the whole volume, or the terms of each row in every iteration.
    if (task_.plan.masses == MassUse::when_cheaper && census_.mean_vote.count > 0 && !may_miss() &&
        pays_masses(task_.options, rows().raters(), census_.terms, census_.row_cost))
        masses_.emplace(rows(), task_.plan.m_step == MStep::paper, task_.team);
    return census_;
}

bool RowsEngine::by_masses() const { return masses_ || (task_.plan.masses == MassUse::known && !may_miss()); }

bool RowsEngine::is_quick() const {
    constexpr double quick = 1e5, ns_of_vote = 2;
    const double raters = rows().raters();
    if (masses_) return static_cast<double>(masses_->rows()) * raters * ns_of_vote <= quick;
    const Model model = task_.plan.model;
    const bool by_vote =
        model == Model::product || model == Model::log_linear || census_.most_fractional == 0;
    const Tabulation* table = tabulation();
    if (!table) return false;
    const auto count = static_cast<double>(table->table.size());
    return (by_vote ? count * raters * ns_of_vote : census_.row_cost) <= quick;
}

Sums RowsEngine::expectation(const Performance& performance) {
    if (masses_) // STAPLE on 2^m weighted rows
        return fastfuse::expectation(*masses_, Model::product, task_.plan.m_step, performance, task_.team);
    task_.team.look();
    return fastfuse::expectation(rows(), task_.plan.model, task_.plan.m_step, performance, task_.team);
}

Written RowsEngine::write(const Performance& performance) {
    if (!by_masses()) return write_by(by_expectation(task_.plan.model, performance), INT_MAX);
    hold_posterior(performance);
    return write_by(fastfuse::by_masses(*masses_), Mixer::most(rows().raters()));
}

void RowsEngine::hold_posterior(const Performance& performance) {
    if (!masses_) masses_.emplace(rows().raters(), std::vector<double>(std::size_t{1} << rows().raters()));
    masses_->become_posterior(performance, task_.team.watch());
}

Written RowsEngine::write_mean_vote() {
    const Performance none(rows().raters());
    return write_by(by_expectation(Model::mean_vote, none), INT_MAX);
}

// On binary votes the paper's M-step maximises the likelihood too.
bool RowsEngine::is_maximised() const {
    return task_.plan.m_step == MStep::em || census_.most_fractional == 0;
}

Observed RowsEngine::observe(const Performance& performance) {
    const Model model = task_.plan.model;
    if (model == Model::log_linear) return observe_rows(rows(), model, model, performance);
    if (!is_maximised()) return {};
    if (masses_) return observe_rows(*masses_, Model::product, model, performance);
    return model == Model::product ? observe_rows(rows(), model, model, performance)
                                   : observe_soft(performance);
}

// On binary votes, observes the rows; else the masses, unless they cost too much or votes may be missing.
Observed RowsEngine::observe_soft(const Performance& performance) const {
    constexpr double affordable = 1e9; // terms
    if (census_.most_fractional == 0)
        return observe_rows(rows(), Model::product, Model::product, performance);
    if (task_.votes.prior || may_miss() || rows().raters() > most_mass_raters || census_.terms > affordable)
        return {};
    const Masses masses(rows(), false, task_.team);
    return observe_rows(masses, Model::product, task_.plan.model, performance);
}

Observed RowsEngine::observe_rows(const Rows& curved, Model model, Model scored,
                                  const Performance& performance) const {
    Observed observed;
    if (census_.most_fractional > 0)
        observed.variability =
            variability(rows(), scored, performance, task_.options.estimates_prior(), task_.team);
    observed.information = information(curved, model, performance, task_.options, task_.team);
    return observed;
}

TableEngine::TableEngine(const Task& task, Tabulation tabulation)
    : RowsEngine(task), tabulation_(std::move(tabulation)), rows_(task_.votes, tabulation_) {}

Written TableEngine::write_by(const MakeConsenter& make, int most_consenters) {
    std::vector<double> probability(static_cast<std::size_t>(tabulation_.table.size()));
    const auto make_share = [&] {
        return [&, consenter = make()](std::int64_t job, const Worker& worker) {
            const Batch batch = rows_.batch(job);
            const Posterior& posterior = (*consenter)(batch, worker);
            std::copy_n(posterior.foreground.begin(), batch.rows, probability.begin() + job * batch_rows);
            return written_of(batch, posterior.foreground);
        };
    };
    Written written = sum_over_jobs(rows_.table_batches(), task_.team, Written(rows_.raters()), make_share,
                                    most_consenters);
    if (rows_.lone_jobs() > 0) written.add(write_lone(make, most_consenters, probability));
    if (tabulation_.index) tabulation_.index->write(probability, task_.consensus, task_.team);
    return written;
}

// Writes the blocks that hold lone voxels. `probability`: of each row of the table.
Written TableEngine::write_lone(const MakeConsenter& make, int most_consenters,
                                const std::vector<double>& probability) {
    const auto write_others = [&](std::int64_t block, std::vector<std::int32_t>& row) {
        const UniformGroups groups = tabulation_.index->rows_of_block(block, row.data());
        const std::int64_t first = block * block_voxels;
        const std::int64_t n = std::min(block_voxels, task_.votes.voxels() - first);
        for (std::int64_t k = 0; k < n; ++k) {
            const std::int64_t group = k / group_voxels;
            std::int32_t of = row[static_cast<std::size_t>(k)];
            if (groups.zero >> group & 1) of = 0;
            if (groups.outside >> group & 1) of = -1;
            task_.consensus.put(first + k, of < 0 ? 0 : probability[static_cast<std::size_t>(of)]);
        }
    };
    const auto make_share = [&] {
        return
            [&, consenter = make(), reader = rows_.lone_reader(),
             row = std::vector<std::int32_t>(block_voxels)](std::int64_t job, const Worker& worker) mutable {
                const LoneJob& blocks = rows_.lone_job(job);
                const Batch batch = reader.read(blocks);
                const RawVector<double>& w = (*consenter)(batch, worker).foreground;
                for (std::int64_t b = 0; b < blocks.blocks; ++b)
                    write_others(blocks.block[b], row);
                for (std::size_t r = 0; r < reader.runs().size(); ++r)
                    task_.consensus.fill(reader.runs()[r].first, reader.runs()[r].voxels, w[r]);
                return written_of(batch, w);
            };
    };
    return sum_over_jobs(rows_.lone_jobs(), task_.team, Written(rows_.raters()), make_share, most_consenters);
}

Written VoxelEngine::write_by(const MakeConsenter& make, int most_consenters) {
    const auto make_share = [&] {
        return [&, consenter = make()](const Batch& batch, const Block& block, const Worker& worker) {
            const RawVector<double>& w = (*consenter)(batch, worker).foreground;
            each_voxel_of(block, [&](std::int64_t voxel, std::int32_t row) {
                task_.consensus.put(voxel, row < 0 ? 0 : w[static_cast<std::size_t>(row)]);
            });
            return written_of(batch, w);
        };
    };
    return sum_over_blocks(task_.votes, task_.team, Written(rows_.raters()), make_share, most_consenters);
}

} // namespace fastfuse
