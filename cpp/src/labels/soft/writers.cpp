// Volumes from soft votes: the truths of each block are found again, and written.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <vector>

#include "labels/index.hpp"
#include "labels/mapped/writer.hpp"
#include "labels/ranking.hpp"
#include "labels/soft/passes.hpp"
#include "labels/soft/step.hpp"

namespace fastfuse {
namespace {

// The rates as the E-step takes them.
Matrices theta_of(const SoftVotes& votes, const SoftEstimate& estimate) {
    Matrices theta(votes.size(), votes.labels);
    theta.entries() = estimate.theta;
    return theta;
}

// Calls `look(rows, step)` for each block.
template <class Look>
void each_block(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                const Team& team, const Look& look) {
    struct Scratch {
        SoftReader reader;
        SoftStep step;
    };
    const Matrices theta = theta_of(votes, estimate);
    PerThread<Scratch> scratch(team);
    team.run(soft_blocks(votes), [&](std::int64_t block, const Worker& worker) {
        Scratch& own = scratch.of(worker, [&] {
            return Scratch{SoftReader(votes),
                           SoftStep(options, theta, estimate.found.prior, SoftTruth::posterior)};
        });
        const SoftRows& rows = own.reader.read(block);
        own.step.find(rows, SoftCounts::none, nullptr, worker);
        look(rows, own.step);
    });
}

// Labels that may be true in a row, with w.
void gather(const SoftRows& rows, const SoftStep& step, bool by_em, std::int64_t r,
            std::vector<Candidate>& to) {
    to.clear();
    const bool voted = rows.count[static_cast<std::size_t>(r)] > 0;
    for (std::size_t a = 0; a < rows.labels(); ++a) {
        double votes = step.w(a)[r];
        for (int i = 0; i < rows.raters() && votes == 0; ++i)
            votes += rows.q(i, a)[r];
        if (votes > 0 || (by_em && !voted)) to.push_back({static_cast<Code>(a), step.w(a)[r]});
    }
}

// Writes what `value_of(candidates)` answers for each voxel, and 0 outside the mask, by `put(voxel, value)`.
template <class T, class ValueOf, class Put>
void write(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
           const ShouldStop& ask, const ValueOf& value_of, const Put& put) {
    if (votes.are_mapped()) {
        const Team team = mapped_team(votes, options.common.threads, ask);
        const MappedTruths truths(votes, options.common.candidates, theta_of(votes, estimate), team.watch());
        return write_mapped<T>(votes, truths, team, value_of, put);
    }
    const Team team = soft_team(votes, options.common.threads, ask);
    std::vector<T> of_row(votes.tuples ? static_cast<std::size_t>(votes.tuples->size()) : 0);
    each_block(votes, options, estimate, team, [&](const SoftRows& rows, const SoftStep& step) {
        std::vector<T> values(static_cast<std::size_t>(rows.size));
        std::vector<Candidate> row;
        for (std::int64_t r = 0; r < rows.size; ++r) {
            gather(rows, step, options.model != SoftModel::mean, r, row);
            values[static_cast<std::size_t>(r)] = row.empty() ? T{0} : value_of(row);
        }
        if (votes.tuples) {
            std::copy(values.begin(), values.end(), of_row.begin() + rows.first);
            return;
        }
        const std::int64_t voxels = std::min(rows.capacity, votes.grid.voxels() - rows.first);
        for (std::int64_t k = 0; k < voxels; ++k) {
            const std::int32_t at = rows.row[static_cast<std::size_t>(k)];
            put(rows.first + k, at < 0 ? T{0} : values[static_cast<std::size_t>(at)]);
        }
    });
    if (!votes.tuples) return;
    if (!votes.tuples->index) throw std::invalid_argument("the table knows no voxels");
    votes.tuples->index->spread(of_row, T{0}, team, put);
}

template <class T> auto into(const LabelOutput& to) {
    return [at = reinterpret_cast<T*>(to.data)](std::int64_t voxel, std::int64_t label) {
        at[voxel] = static_cast<T>(label);
    };
}

} // namespace

void write_soft_label(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                      const std::vector<std::int64_t>& labels, int place,
                      std::optional<std::int64_t> undecided, const LabelOutput& to, const ShouldStop& ask) {
    const auto at = static_cast<std::size_t>(place);
    const auto label = [&](std::vector<Candidate>& row) {
        rank(row, at + 2);
        return undecided && tied(row) ? *undecided : labels[row[at < row.size() ? at : 0].code];
    };
    const auto by = [&](const auto& put) { write<std::int64_t>(votes, options, estimate, ask, label, put); };
    switch (to.bytes) {
    case 1: return by(into<std::int8_t>(to));
    case 2: return by(into<std::int16_t>(to));
    case 4: return by(into<std::int32_t>(to));
    default: return by(into<std::int64_t>(to));
    }
}

void write_soft_ranked(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                       int place, const Output& to, const ShouldStop& ask) {
    const auto at = static_cast<std::size_t>(place);
    write<double>(
        votes, options, estimate, ask,
        [&](std::vector<Candidate>& row) {
            rank(row, at + 1);
            return at < row.size() ? row[at].weight : 0;
        },
        [&](std::int64_t voxel, double value) { to.put(voxel, value); });
}

void write_soft_probability(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                            const std::vector<Code>& codes, const Output& to, const ShouldStop& ask) {
    std::vector<std::uint8_t> asked(votes.labels);
    for (const Code code : codes)
        asked[code] = 1;
    write<double>(
        votes, options, estimate, ask,
        [&](const std::vector<Candidate>& row) {
            double sum = 0;
            for (const Candidate& one : row)
                if (asked[one.code]) sum += one.weight;
            return sum;
        },
        [&](std::int64_t voxel, double value) { to.put(voxel, value); });
}

void write_soft_entropy(const SoftVotes& votes, const SoftOptions& options, const SoftEstimate& estimate,
                        const Output& to, const ShouldStop& ask) {
    write<double>(
        votes, options, estimate, ask,
        [](const std::vector<Candidate>& row) {
            double sum = 0;
            for (const Candidate& one : row)
                if (one.weight > 0) sum -= one.weight * std::log(one.weight);
            return std::max(sum, 0.0);
        },
        [&](std::int64_t voxel, double value) { to.put(voxel, value); });
}

} // namespace fastfuse
