#include "engines/lanes/missing/survey.hpp"

#include <algorithm>
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

// How many jobs hold tables at once, and how large those of one may be.
struct Budget {
    Budget(int raters, bool with_moments)
        : jobs(raters <= 7    ? 32
               : raters <= 10 ? 16
               : raters <= 12 ? 2
                              : 1),
          table(std::max<std::int64_t>(raters <= 10 ? 1 << 18 : 1 << 22,
                                       half_table_size(raters, with_moments))) {}
    std::int64_t jobs, table; // 2^18 values hold all tables of ten raters
};

// Throws where one set of voters more is too many.
void check_sets(const PartialFindings& found, int raters) {
    if (found.masses.size() > most_sets(raters)) throw TooManySets();
}

std::int64_t values_in(const std::map<Voters, std::vector<double>>& masses) {
    std::int64_t values = 0;
    for (const auto& [voters, table] : masses)
        values += static_cast<std::int64_t>(table.size());
    return values;
}

template <class T> PartialFindings gather_masses(TileWalk<T>& walk, bool with_moments) {
    const int raters = walk.votes().size();
    const Budget budget(raters, with_moments);
    const auto make = [&] {
        return [&, adder = GroupAdder<T>(raters, with_moments)](const Group<T>& group, PartialFindings& part,
                                                                const Worker&) mutable {
            survey_group(walk.votes(), group, part.findings);
            if (group.raters.empty()) return;
            const auto [place, is_new] = part.masses.try_emplace(group.voters);
            adder.add(group, place->second);
            if (!is_new) return;
            check_sets(part, raters);
            if (values_in(part.masses) > budget.table) throw TooManySets();
        };
    };
    PartialFindings found = walk.template sum_partial<PartialFindings>(make, budget.jobs);
    for (auto& [voters, table] : found.masses)
        if (with_moments) table = with_all_moments(table, static_cast<int>(raters_of(voters).size()));
    return found;
}

} // namespace

void PartialFindings::add(const PartialFindings& other) {
    findings.add(other.findings);
    for (const auto& [voters, table] : other.masses) {
        std::vector<double>& to = masses[voters];
        to.resize(table.size());
        for (std::size_t b = 0; b < table.size(); ++b)
            to[b] += table[b];
    }
}

template <class T> PartialFindings survey_partial(TileWalk<T>& walk, Gather gather) {
    const auto look = [&] {
        return [&](const Group<T>& group, PartialFindings& part, const Worker&) {
            survey_group(walk.votes(), group, part.findings);
            part.masses[group.voters];
            check_sets(part, walk.votes().size());
        };
    };
    PartialFindings found = gather == Gather::masses ? gather_masses(walk, false)
                            : gather == Gather::masses_and_moments
                                ? gather_masses(walk, true)
                                : walk.template sum_partial<PartialFindings>(look);
    check_sets(found, walk.votes().size());
    return found;
}

template PartialFindings survey_partial(TileWalk<float>&, Gather);
template PartialFindings survey_partial(TileWalk<double>&, Gather);

} // namespace fastfuse
