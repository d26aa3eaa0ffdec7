#include "engines/passes.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <type_traits>

#include "engines/lanes/lane_rates.hpp"
#include "engines/lanes/missing/survey.hpp"
#include "engines/lanes/scores/observe.hpp"
#include "engines/lanes/survey.hpp"
#include "engines/lanes/tile_walk.hpp"
#include "votes/empty_rows.hpp"

namespace fastfuse {
namespace {

using kernels::ProductSums;
using kernels::Rates;
using kernels::Step;

struct TileSums {
    explicit TileSums(int raters = 0) : sums(raters) {}
    void add(const TileSums& other) {
        sums.add(other.sums);
        empty += other.empty;
    }
    Sums sums;
    double empty = 0;
};

template <class T> class TilePasses : public Passes {
  public:
    TilePasses(const Votes& votes, const Team& team)
        : votes_(votes), team_(team), walk_(votes, team),
          all_raters_(static_cast<std::size_t>(votes.size())) {
        std::iota(all_raters_.begin(), all_raters_.end(), std::size_t{0});
    }

    Census survey(Gather gather) override {
        Findings findings(votes_.size());
        if (gather == Gather::mean_vote) {
            findings = survey_votes(walk_);
        } else if (gather == Gather::sample) {
            findings = survey_and_sample();
        } else {
            auto [found, masses] = survey_masses(walk_, gather == Gather::masses_and_moments);
            findings = std::move(found);
            findings.census.mean_vote = mean_vote_of(masses, findings.spread, team_);
            masses_.emplace(std::move(masses));
        }
        if (gather == Gather::mean_vote || gather == Gather::sample)
            add_empty(Step::mean_vote, Performance(votes_.size()), findings.empty, findings.census.mean_vote);
        std::fill(findings.census.read.begin(), findings.census.read.end(), findings.inside);
        if (votes_.may_miss()) findings.add(survey_others(gather));
        range_ = findings.range;
        least_prior_ = findings.least_prior;
        Census census = std::move(findings.census);
        census.mean_vote.count = findings.inside;
        for (const double spread : findings.spread)
            if (spread > 0) census.most_fractional = 1; // or more
        return census;
    }

    Masses take_masses() override { return std::move(*masses_); }

    std::optional<Sums> expectation(Step step, const Performance& performance) override {
        if (!fits(step, performance)) return wider() ? wider()->expectation(step, performance) : std::nullopt;
        const Rates<T> rates = rates_for<T>(step, performance);
        auto total = walk_.template sum<TileSums>([&] {
            return [&](const Tile<T>& tile, TileSums& part) {
                if (tile.empty) {
                    part.empty += tile.inside;
                    return;
                }
                ProductSums sums;
                kernels::best<T>().expect(tile.columns, rates, step, sums);
                add(sums, part.sums);
                part.sums.count += tile.inside;
            };
        });
        add_empty(step, performance, total.empty, total.sums);
        if (votes_.may_miss()) total.sums.add(expectation_of_others(step, performance));
        return total.sums;
    }

    std::optional<Sums> sampled_expectation(Step step, const Performance& performance) override {
        if (!sample_ || !fits(step, performance)) return std::nullopt;
        Sums sums = sample_->expectation(step, performance, team_);
        add_empty(step, performance, empty_, sums);
        return sums;
    }

    std::optional<Observed> observe(const Performance& performance, const Options& options) override {
        if (votes_.size() > most_observed_raters) return std::nullopt;
        if (!fits(Step::votes, performance))
            return wider() ? wider()->observe(performance, options) : std::nullopt;
        return observe_votes(walk_, performance, options);
    }

    std::optional<std::vector<double>> variability(const Masses& masses, const Performance& performance,
                                                   bool with_prior) override {
        return variability_of(walk_, masses, performance, with_prior);
    }

    std::optional<Written> write(Step step, const Performance& performance, const Output& to) override {
        if (!fits(step, performance)) return wider() ? wider()->write(step, performance, to) : std::nullopt;
        const Rates<T> rates = rates_for<T>(step, performance);
        const bool counts_marks = step != Step::mean_vote; // else the consensus is the mean vote
        Written written = write_tiles(to, empty_probability(step, performance), counts_marks, [&] {
            return [&](const Tile<T>& tile, T* consensus) {
                kernels::best<T>().posterior(tile.columns, rates, step, consensus);
            };
        });
        if (votes_.may_miss())
            written.add(write_others(to, step == Step::mean_vote ? 0 : performance.prior, counts_marks, [&] {
                return [&](const Group<T>& group, T* consensus) {
                    const Rates<T> own = rates_for<T>(step, of_raters(performance, group.raters));
                    kernels::best<T>().posterior(group.columns, own, step, consensus);
                };
            }));
        return written;
    }

    Written mix(const Masses& masses, const Performance& theta, const Output& to) override {
        const std::vector<double>& wide = masses.posterior();
        const std::vector<T> posterior(wide.begin(), wide.end());
        const kernels::Aligned<T> ones(kernels::tile_voxels<T>, T(1));
        const std::int64_t room = kernels::mix_rows(votes_.size()) * kernels::row_stride<T>;
        Written written = write_tiles(to, wide[0], true, [&] {
            return [&, scratch = kernels::Aligned<T>(room)](const Tile<T>& tile, T* consensus) mutable {
                kernels::best<T>().mix(tile.columns, posterior.data(), ones.data(), scratch.data(),
                                       consensus);
            };
        });
        if (votes_.may_miss())
            written.add(write_others(to, theta.prior, true, [&] {
                return [&, scratch = kernels::Aligned<T>(room), found = std::map<Voters, std::vector<T>>()](
                           const Group<T>& group, T* consensus) mutable {
                    std::vector<T>& own = found[group.voters];
                    if (own.empty()) own = posterior_of(group.raters, theta);
                    kernels::best<T>().mix(group.columns, own.data(), ones.data(), scratch.data(), consensus);
                };
            }));
        return written;
    }

  private:
    // Of the voxels on which not all raters vote.
    Findings survey_others(Gather gather) {
        auto [findings, masses] = survey_partial(walk_, gather);
        for (const auto& [voters, table] : masses)
            if (!table.empty()) masses_->add_partial(raters_of(voters), table);
        return std::move(findings);
    }

    Sums expectation_of_others(Step step, const Performance& performance) {
        return walk_.template sum_partial<Sums>([&] {
            return [&](const Group<T>& group, Sums& part, const Worker&) {
                if (group.raters.empty()) return;
                kernels::ProductSums sums;
                kernels::best<T>().expect(
                    group.columns, rates_for<T>(step, of_raters(performance, group.raters)), step, sums);
                Sums own(group.columns.raters);
                add(sums, own);
                own.count = static_cast<double>(group.voxels);
                add_of_raters(own, group.raters, part);
            };
        });
    }

    // p(1|B) of the patterns of some raters.
    std::vector<T> posterior_of(const std::vector<std::size_t>& raters, const Performance& theta) const {
        Masses masses(static_cast<int>(raters.size()), std::vector<double>(std::size_t{1} << raters.size()));
        Watch never([] { return false; });
        masses.become_posterior(of_raters(theta, raters), never);
        return {masses.posterior().begin(), masses.posterior().end()};
    }

    // Whether the consensus is written as it was found.
    static bool can_count_marks(const Output& to) { return to.wide || std::is_same_v<T, float>; }

    // Writes the consensus that `make()(group, consensus)` finds where some raters vote. Where nobody does,
    // the map's prior stands, or else `nobody`.
    template <class Make>
    Written write_others(const Output& to, double nobody, bool counts_marks, const Make& make) {
        counts_marks &= can_count_marks(to);
        return walk_.template sum_partial<Written>([&] {
            return [&, find = make(), consensus = kernels::Aligned<T>(Group<T>::room)](
                       const Group<T>& group, Written& written, const Worker&) mutable {
                T* w = consensus.data();
                if (!group.raters.empty())
                    find(group, w);
                else if (nobody > 0 && group.columns.prior)
                    std::copy_n(group.columns.prior, group.voxels, w);
                else
                    std::fill_n(w, group.voxels, static_cast<T>(nobody));
                for (std::int64_t k = 0; k < group.voxels; ++k)
                    to.put(group.voxel[static_cast<std::size_t>(k)], static_cast<double>(w[k]));
                if (counts_marks && !written.half_marks) written.half_marks.emplace();
                if (group.raters.empty()) {
                    if (counts_marks)
                        written.half_marks->of_consensus += static_cast<double>(
                            std::count_if(w, w + group.voxels, [](T share) { return share >= T(0.5); }));
                    return;
                }
                compare(group.columns, w, group.raters, written);
                if (counts_marks) count_marks(group.columns, w, *written.half_marks);
            };
        });
    }

    // The sample takes some 2 or 3 hundredths of the voxels, and at most a byte of memory a voxel: else there
    // is none.
    Findings survey_and_sample() {
        constexpr double share = 0.03;
        const double bytes_of_voxel = static_cast<double>(sizeof(T)) * votes_.size();
        auto [findings, sample] = fastfuse::survey_and_sample(walk_, std::min(share, 0.8 / bytes_of_voxel));
        if (static_cast<double>(sample.size()) * bytes_of_voxel <= static_cast<double>(votes_.voxels())) {
            sample.pack();
            sample_ = std::move(sample);
            empty_ = findings.empty;
        }
        return std::move(findings);
    }

    bool fits(Step step, const Performance& performance) const {
        constexpr double least = std::is_same_v<T, float> ? 1e-30 : 1e-280;
        const double prior = std::min(performance.prior, 1 - performance.prior);
        if (step == Step::logs) return std::is_same_v<T, double>;
        return step == Step::mean_vote || least_evidence(performance, range_.lowest, range_.highest,
                                                         votes_.prior ? least_prior_ : prior) > least;
    }

    // Passes in double precision, where floats do not suffice.
    Passes* wider() {
        if constexpr (std::is_same_v<T, float>) {
            if (!wider_) {
                auto made = std::make_unique<TilePasses<double>>(votes_, team_);
                made->range_ = range_;
                made->least_prior_ = least_prior_;
                wider_ = std::move(made);
            }
        }
        return wider_.get();
    }

    void add_empty(Step step, const Performance& performance, double voxels, Sums& to) const {
        const EmptyRows rows(votes_.size(), voxels);
        const Model model = step == Step::mean_vote ? Model::mean_vote
                            : step == Step::logs    ? Model::log_linear
                                                    : Model::product;
        const MStep m_step = step == Step::marks ? MStep::em : MStep::paper;
        if (voxels > 0) to.add(fastfuse::expectation(rows, model, m_step, performance, team_));
    }

    double empty_probability(Step step, const Performance& performance) const {
        if (step == Step::mean_vote) return 0;
        const EmptyRows rows(votes_.size(), 1);
        Posterior posterior;
        (step == Step::logs ? log_linear_posterior : product_posterior)(rows.batch(), performance, posterior);
        return posterior.foreground[0];
    }

    // Writes the consensus that `make()(tile, consensus)` finds for every tile; 0 outside the mask.
    template <class Make>
    Written write_tiles(const Output& to, double empty_probability, bool counts_marks, const Make& make) {
        const auto room = static_cast<std::size_t>(kernels::tile_voxels<T>);
        counts_marks &= can_count_marks(to);
        return walk_.template sum<Written>([&] {
            return [&, find = make(), copied = std::vector<T>(room)](const Tile<T>& tile,
                                                                     Written& written) mutable {
                if (counts_marks && !written.half_marks) written.half_marks.emplace();
                if (tile.empty) return fill(tile, empty_probability, to, written);
                const bool in_place =
                    to.wide == std::is_same_v<T, double> && tile.voxels == kernels::tile_voxels<T>;
                T* consensus = in_place ? to.place<T>(tile.first) : copied.data();
                find(tile, consensus);
                compare(tile.columns, consensus, all_raters_, written);
                if (counts_marks) count_marks(tile.columns, consensus, *written.half_marks);
                if (!in_place) copy(tile, consensus, to);
            };
        });
    }

    static void compare(const kernels::Columns<T>& votes, const T* consensus,
                        const std::vector<std::size_t>& raters, Written& written) {
        kernels::TileAgreement<T> found;
        kernels::best<T>().agree(votes, consensus, found);
        written.range.include(static_cast<double>(found.least));
        written.range.include(static_cast<double>(found.most));
        for (std::size_t k = 0; k < raters.size(); ++k) {
            const std::size_t i = raters[k];
            written.seen_by[i] += found.seen;
            written.marked_by[i] += found.both[k];
            written.neither[i] += found.neither[k];
        }
    }

    static void count_marks(const kernels::Columns<T>& votes, const T* consensus, HalfMarks& to) {
        HalfMarks marks;
        kernels::best<T>().count_marks(votes, consensus, marks);
        to.add(marks);
    }

    static void copy(const Tile<T>& tile, const T* consensus, const Output& to) {
        for (std::int64_t k = 0; k < tile.voxels; ++k)
            to.put(tile.first + k, static_cast<double>(consensus[k]));
    }

    static void fill(const Tile<T>& tile, double probability, const Output& to, Written& written) {
        to.fill(tile.first, tile.voxels, tile.inside > 0 ? probability : 0);
        if (tile.inside > 0) written.range.include(probability);
        if (written.half_marks && probability >= 0.5) written.half_marks->of_consensus += tile.inside;
        for (double& seen : written.seen_by)
            seen += tile.inside * probability;
        for (double& neither : written.neither)
            neither += tile.inside * (1 - probability);
        if (tile.inside == 0 || tile.inside == static_cast<double>(tile.voxels)) return;
        for (std::int64_t k = 0; k < tile.voxels; ++k)
            if (tile.columns.weight[k] == 0) to.put(tile.first + k, 0);
    }

    template <class> friend class TilePasses;

    const Votes& votes_;
    const Team& team_;
    TileWalk<T> walk_;
    std::vector<std::size_t> all_raters_;
    Range range_; // of the votes in tiles that are not empty
    double least_prior_ = 0.5;
    std::optional<Masses> masses_;
    std::optional<VoxelSample<T>> sample_;
    double empty_ = 0; // number of voxels that count, in empty tiles
    std::unique_ptr<Passes> wider_;
};

} // namespace

std::unique_ptr<Passes> Passes::of(const Votes& votes, bool fine, const Team& team) {
    if (fine) return std::make_unique<TilePasses<double>>(votes, team);
    return std::make_unique<TilePasses<float>>(votes, team);
}

} // namespace fastfuse
