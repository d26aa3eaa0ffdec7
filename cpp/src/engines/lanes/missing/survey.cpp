#include "engines/lanes/missing/survey.hpp"

#include <utility>

#include "engines/lanes/masses/mass_tables.hpp"

namespace fastfuse {
namespace {

// Throws BadInput for the first vote or prior of the group that cannot be used.
template <class T> void refuse(const Votes& votes, const Group<T>& group) {
    Block block(votes);
    std::int64_t read = -1;
    for (std::size_t k = 0; k < static_cast<std::size_t>(group.voxels); ++k)
        if (const std::int64_t of = group.voxel[k] / block_voxels; of != read)
            read_block(votes, read = of, block);
}

template <class T> void survey_group(const Votes& votes, const Group<T>& group, Findings& findings) {
    const std::vector<std::size_t>& raters = group.raters;
    const auto voxels = static_cast<double>(group.voxels);
    Findings found(static_cast<int>(raters.size()));
    if (raters.empty()) { // but its priors must be good
        if (group.columns.prior) refuse(votes, group);
        return;
    }
    if (!inspect(votes.check, group.columns, group.voxels, found)) refuse(votes, group);
    findings.inside += voxels;
    findings.range.include(found.range);
    findings.least_prior = std::min(findings.least_prior, found.least_prior);
    Census& census = findings.census;
    census.disputed += found.census.disputed;
    census.prior += found.census.prior;
    for (std::size_t k = 0; k < raters.size(); ++k) {
        census.volume[raters[k]] += found.census.volume[k];
        census.unmarked[raters[k]] += found.census.unmarked[k];
        census.read[raters[k]] += voxels;
        findings.spread[raters[k]] += found.spread[k];
    }
    kernels::ProductSums sums;
    kernels::best<T>().expect(group.columns, {}, kernels::Step::mean_vote, sums);
    Sums mean(static_cast<int>(raters.size()));
    add(sums, mean);
    add_of_raters(mean, raters, census.mean_vote);
}

struct FoundMasses {
    explicit FoundMasses(int raters = 0) : findings(raters) {}
    void add(const FoundMasses& other) {
        findings.add(other.findings);
        for (const auto& [voters, table] : other.masses) {
            std::vector<double>& to = masses[voters];
            to.resize(table.size());
            for (std::size_t b = 0; b < table.size(); ++b)
                to[b] += table[b];
        }
    }
    Findings findings;
    MassesByVoters masses;
};

// Adds groups to tables of their voters. Scratch of one thread.
template <class T> class GroupAdder {
  public:
    GroupAdder(int raters, bool with_moments) : with_moments_(with_moments) {
        for (int count = 0; count <= raters; ++count)
            shares_.push_back({count, 0, 1});
        for (const MassShares& share : shares_) // by their number: trees do not ask who the raters are
            adders_.emplace_back(share, with_moments);
    }
    GroupAdder(GroupAdder&&) = default; // adders refer to shares, which stay where they are

    void add(const Group<T>& group, std::vector<double>& table) {
        const int raters = group.columns.raters;
        table.resize(static_cast<std::size_t>(half_table_size(raters, with_moments_)));
        StripAdder<T>& adder = adders_[static_cast<std::size_t>(raters)];
        adder.add(group.columns, 0, table.data());
        adder.settle(table.data());
    }

  private:
    bool with_moments_;
    std::vector<MassShares> shares_;
    std::vector<StripAdder<T>> adders_;
};

// Parts of all jobs, with tables of up to 3^m masses and their moments, are held at once.
std::int64_t most_jobs(int raters) { return raters <= 7 ? 32 : 16; }

} // namespace

template <class T> Findings survey_partial(TileWalk<T>& walk) {
    return walk.template sum_partial<Findings>([&] {
        return [&](const Group<T>& group, Findings& part) { survey_group(walk.votes(), group, part); };
    });
}

template <class T>
std::pair<Findings, MassesByVoters> survey_partial_masses(TileWalk<T>& walk, bool with_moments) {
    const int raters = walk.votes().size();
    const auto make = [&] {
        return [&, adder = GroupAdder<T>(raters, with_moments)](const Group<T>& group,
                                                                FoundMasses& part) mutable {
            survey_group(walk.votes(), group, part.findings);
            if (!group.raters.empty()) adder.add(group, part.masses[group.voters]);
        };
    };
    FoundMasses found = walk.template sum_partial<FoundMasses>(make, most_jobs(raters));
    if (with_moments)
        for (auto& [voters, table] : found.masses)
            table = with_all_moments(table, static_cast<int>(raters_of(voters).size()));
    return {std::move(found.findings), std::move(found.masses)};
}

template Findings survey_partial(TileWalk<float>&);
template Findings survey_partial(TileWalk<double>&);
template std::pair<Findings, MassesByVoters> survey_partial_masses(TileWalk<float>&, bool);
template std::pair<Findings, MassesByVoters> survey_partial_masses(TileWalk<double>&, bool);

} // namespace fastfuse
