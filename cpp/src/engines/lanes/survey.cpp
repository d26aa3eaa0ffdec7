#include "engines/lanes/survey.hpp"

#include <algorithm>

#include "em/em.hpp"
#include "engines/lanes/masses/mass_tables.hpp"

namespace fastfuse {

void Findings::add(const Findings& other) {
    census.add(other.census);
    for (std::size_t i = 0; i < spread.size(); ++i)
        spread[i] += other.spread[i];
    inside += other.inside;
    empty += other.empty;
    range.include(other.range);
    least_prior = std::min(least_prior, other.least_prior);
}

void add(const kernels::ProductSums& from, Sums& to, double times) {
    to.foreground += times * from.foreground;
    to.background += times * from.background;
    to.log_likelihood += times * from.log_likelihood;
    for (std::size_t i = 0; i < to.true_positive.size(); ++i) {
        to.true_positive[i] += times * from.true_positive[i];
        to.false_negative[i] += times * from.false_negative[i];
        to.false_positive[i] += times * from.false_positive[i];
        to.true_negative[i] += times * from.true_negative[i];
    }
}

template <class T>
bool inspect(Check check, const kernels::Columns<T>& columns, std::int64_t voxels, Findings& findings) {
    kernels::Inspection found;
    kernels::best<T>().inspect(columns, found);
    bool good = found.plain;
    for (std::size_t i = 0; i < findings.spread.size(); ++i) {
        good &= check == Check::unit || found.spread[i] == 0;
        findings.census.volume[i] += found.yes[i];
        findings.census.unmarked[i] += found.no[i];
        findings.spread[i] += found.spread[i];
    }
    findings.census.disputed += found.disputed;
    findings.range.include(found.least);
    findings.range.include(found.most);
    for (std::int64_t k = 0; columns.prior && k < voxels; ++k) {
        const auto prior = static_cast<double>(columns.prior[k]);
        good &= prior > 0 && prior < 1;
        findings.least_prior = std::min({findings.least_prior, prior, 1 - prior});
        findings.census.prior += columns.weight[k] != 0 ? prior : 0;
    }
    return good;
}

namespace {

// Throws BadInput for the first vote or prior that cannot be used.
template <class T> void refuse(const Votes& votes, const Tile<T>& tile) {
    Block block(votes);
    read_block(votes, tile.first / block_voxels, block);
}

template <class T> void inspect(const Votes& votes, const Tile<T>& tile, Findings& findings) {
    findings.inside += tile.inside;
    if (tile.empty) {
        findings.empty += tile.inside;
        for (double& unmarked : findings.census.unmarked)
            unmarked += tile.inside;
        return;
    }
    if (!fastfuse::inspect(votes.check, tile.columns, tile.voxels, findings)) refuse(votes, tile);
}

// Inspects the tile, and adds the sums of an E-step whose w is the mean vote.
template <class T> void inspect_and_sum(const Votes& votes, const Tile<T>& tile, Findings& findings) {
    inspect(votes, tile, findings);
    if (tile.empty) return;
    kernels::ProductSums sums;
    kernels::best<T>().expect(tile.columns, {}, kernels::Step::mean_vote, sums);
    add(sums, findings.census.mean_vote);
}

} // namespace

template <class T> Findings survey_votes(TileWalk<T>& walk) {
    return walk.template sum<Findings>([&] {
        return [&](const Tile<T>& tile, Findings& part) { inspect_and_sum(walk.votes(), tile, part); };
    });
}

template <class T> std::pair<Findings, VoxelSample<T>> survey_and_sample(TileWalk<T>& walk, double share) {
    struct Part {
        explicit Part(int raters = 0) : findings(raters), sample(raters) {}
        void add(const Part& other) {
            findings.add(other.findings);
            sample.add(other.sample);
        }
        Findings findings;
        VoxelSample<T> sample;
    };
    const T threshold = threshold_for(walk, share);
    Part all = walk.template sum<Part>([&] {
        const auto room = static_cast<std::size_t>(kernels::tile_voxels<T>);
        return [&, doubts = std::vector<T>(room)](const Tile<T>& tile, Part& part) mutable {
            inspect_and_sum(walk.votes(), tile, part.findings);
            if (tile.empty) return;
            const T most = kernels::best<T>().doubts(tile.columns, doubts.data());
            part.sample.pick(tile, doubts.data(), most, threshold);
        };
    });
    return {std::move(all.findings), std::move(all.sample)};
}

template <class T> std::pair<Findings, Masses> survey_masses(TileWalk<T>& walk, bool with_moments) {
    const Votes& votes = walk.votes();
    const auto size = static_cast<std::size_t>(half_table_size(votes.size(), with_moments));
    const MassShares split = tile_shares(votes.size(), size, votes.voxels());
    std::vector<Findings> findings(static_cast<std::size_t>(split.shares), Findings(votes.size()));
    struct Scratch {
        TileReader<T> reader;
        StripAdder<T> adder;
    };
    PerThread<Scratch> scratch(walk.team());
    const auto make = [&] { return Scratch{TileReader<T>(votes), StripAdder<T>(split, with_moments)}; };
    const auto fill = [&](std::int64_t share, std::int64_t strip, double* table, const Worker& worker) {
        Scratch& own = scratch.of(worker, make);
        const std::int64_t end = walk.tiles() * (share + 1) / split.shares;
        for (std::int64_t t = walk.tiles() * share / split.shares; t < end && !worker.stopped(); ++t) {
            const Tile<T>& tile = strip == 0 ? walk.read(own.reader, t) : own.reader.read(t);
            if (strip == 0) inspect(votes, tile, findings[static_cast<std::size_t>(share)]);
            if (!tile.empty) own.adder.add(tile.columns, strip, table);
        }
        own.adder.settle(table);
    };
    std::vector<double> table = gather_tables(split, size, walk.team(), fill);
    Findings total(votes.size());
    for (const Findings& found : findings)
        total.add(found);
    table[0] += total.empty;
    if (with_moments) table = with_all_moments(table, votes.size());
    return {std::move(total), Masses(votes.size(), std::move(table))};
}

// Moments hold Σ q_i q_t(B). Without them the bit b_i stands for the vote q_i. Its square has the mean q_i
// where q_i² belongs: that puts Σ q_i (1 − q_i) / m on the wrong side.
Sums mean_vote_of(const Masses& masses, const std::vector<double>& spread, const Team& team) {
    const Performance none(masses.raters());
    Sums sums = expectation(masses, Model::mean_vote, MStep::paper, none, team);
    for (std::size_t i = 0; i < spread.size() && !masses.with_moments(); ++i) {
        const double part = spread[i] / masses.raters();
        sums.true_positive[i] = std::max(sums.true_positive[i] - part, 0.0);
        sums.false_negative[i] += part;
        sums.false_positive[i] += part;
        sums.true_negative[i] = std::max(sums.true_negative[i] - part, 0.0);
    }
    return sums;
}

template bool inspect(Check, const kernels::Columns<float>&, std::int64_t, Findings&);
template bool inspect(Check, const kernels::Columns<double>&, std::int64_t, Findings&);
template Findings survey_votes(TileWalk<float>&);
template Findings survey_votes(TileWalk<double>&);
template std::pair<Findings, VoxelSample<float>> survey_and_sample(TileWalk<float>&, double);
template std::pair<Findings, VoxelSample<double>> survey_and_sample(TileWalk<double>&, double);
template std::pair<Findings, Masses> survey_masses(TileWalk<float>&, bool);
template std::pair<Findings, Masses> survey_masses(TileWalk<double>&, bool);

} // namespace fastfuse
