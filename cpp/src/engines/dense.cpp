#include "engines/dense.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "engines/lanes/lane_rates.hpp"
#include "engines/lanes/mass_tables.hpp"
#include "engines/lanes/tiles.hpp"
#include "support/simd.hpp"
#include "support/sum_over_jobs.hpp"
#include "votes/empty_rows.hpp"

namespace fastfuse {
namespace {

using kernels::Inspection;
using kernels::ProductSums;
using kernels::Rates;
using kernels::Step;

constexpr std::int64_t tiles_of_job = 16;
constexpr std::int16_t not_known = -1; // that a tile is empty

void add(const ProductSums& from, Sums& to) {
    to.foreground += from.foreground;
    to.background += from.background;
    to.log_likelihood += from.log_likelihood;
    for (std::size_t i = 0; i < to.true_positive.size(); ++i) {
        to.true_positive[i] += from.true_positive[i];
        to.false_negative[i] += from.false_negative[i];
        to.false_positive[i] += from.false_positive[i];
        to.true_negative[i] += from.true_negative[i];
    }
}

// Σ consensus · weight · vote, in a fixed order; without votes, Σ consensus · weight.
template <class T> double sum_weighted(const T* consensus, const T* weight, const T* vote, std::int64_t n) {
    std::array<double, 8> lane{};
    for (std::int64_t k = 0; k < n; k += 8)
        for (std::int64_t l = 0; l < 8; ++l)
            lane[static_cast<std::size_t>(l)] +=
                static_cast<double>(consensus[k + l] * weight[k + l] * (vote ? vote[k + l] : T(1)));
    double sum = 0;
    for (const double part : lane)
        sum += part;
    return sum;
}

FASTFUSE_CLONES double weighted_dot(const float* consensus, const float* weight, const float* vote,
                                    std::int64_t n) {
    return sum_weighted(consensus, weight, vote, n);
}

FASTFUSE_CLONES double weighted_dot(const double* consensus, const double* weight, const double* vote,
                                    std::int64_t n) {
    return sum_weighted(consensus, weight, vote, n);
}

// What a first look at some voxels tells.
struct Findings {
    explicit Findings(int raters = 0) : census(raters), spread(static_cast<std::size_t>(raters)) {}
    void add(const Findings& other) {
        census.add(other.census);
        for (std::size_t i = 0; i < spread.size(); ++i)
            spread[i] += other.spread[i];
        inside += other.inside;
        empty += other.empty;
        range.include(other.range);
        least_prior = std::min(least_prior, other.least_prior);
    }
    Census census;
    std::vector<double> spread; // Σ q_i (1 − q_i)
    double inside = 0;          // voxels that count
    double empty = 0;           // of them, those in tiles without any vote
    Range range;                // of the votes, but for those
    double least_prior = 0.5;   // of a prior map and its complement
};

struct TileSums {
    explicit TileSums(int raters = 0) : sums(raters) {}
    void add(const TileSums& other) {
        sums.add(other.sums);
        empty += other.empty;
    }
    Sums sums;
    double empty = 0;
};

template <class T> class DenseIn : public Dense {
  public:
    DenseIn(const Votes& votes, const Team& team)
        : votes_(votes), team_(team), empty_(static_cast<std::size_t>(tile_count<T>(votes)), not_known) {}

    Census survey(Gather gather) override {
        Findings findings = gather == Gather::mean_vote ? survey_votes() : survey_masses(gather);
        range_ = findings.range;
        least_prior_ = findings.least_prior;
        Census census = std::move(findings.census);
        if (gather == Gather::mean_vote)
            add_empty(Step::mean_vote, Performance(votes_.size()), findings.empty, census.mean_vote);
        else
            census.mean_vote = mean_vote_of_masses(findings.spread);
        census.mean_vote.count = findings.inside;
        std::fill(census.read.begin(), census.read.end(), findings.inside);
        for (const double spread : findings.spread)
            if (spread > 0) census.most_fractional = 1; // or more
        return census;
    }

    Masses take_masses() override { return std::move(*masses_); }

    std::optional<Sums> expectation(Step step, const Performance& performance) override {
        if (!fits(step, performance)) return wider() ? wider()->expectation(step, performance) : std::nullopt;
        const Rates<T> rates = rates_of<T>(performance);
        TileSums total = over_tiles(TileSums(votes_.size()), [&](const Tile<T>& tile, TileSums& part) {
            if (tile.empty) {
                part.empty += tile.inside;
                return;
            }
            ProductSums sums;
            kernels::best<T>().expect(tile.columns, rates, step, sums);
            add(sums, part.sums);
            part.sums.count += tile.inside;
        });
        add_empty(step, performance, total.empty, total.sums);
        return total.sums;
    }

    std::optional<Written> write(Step step, const Performance& performance, const Output& to) override {
        if (!fits(step, performance)) return wider() ? wider()->write(step, performance, to) : std::nullopt;
        const Rates<T> rates = rates_of<T>(performance);
        return write_tiles(to, empty_probability(step, performance), [&] {
            return [&](const Tile<T>& tile, T* consensus) {
                kernels::best<T>().posterior(tile.columns, rates, step, consensus);
            };
        });
    }

    Written mix(const Masses& masses, const Output& to) override {
        const std::vector<double>& wide = masses.posterior();
        const std::vector<T> posterior(wide.begin(), wide.end());
        const std::vector<T> ones(static_cast<std::size_t>(kernels::tile_voxels<T>), T(1));
        return write_tiles(to, wide[0], [&] {
            const std::int64_t room = kernels::mix_rows(votes_.size()) * kernels::row_stride<T>;
            return [&, scratch = std::vector<T>(static_cast<std::size_t>(room))](const Tile<T>& tile,
                                                                                 T* consensus) mutable {
                kernels::best<T>().mix(tile.columns.vote, votes_.size(), posterior.data(),
                                       tile.columns.weight, ones.data(), scratch.data(), consensus);
            };
        });
    }

  private:
    std::int64_t tiles() const { return static_cast<std::int64_t>(empty_.size()); }
    std::int64_t jobs() const { return (tiles() + tiles_of_job - 1) / tiles_of_job; }
    std::int64_t end_of(std::int64_t job) const { return std::min((job + 1) * tiles_of_job, tiles()); }

    // Reads a tile unless it is known to be empty.
    const Tile<T>& read(TileReader<T>& reader, std::int64_t index) {
        std::int16_t& empty = empty_[static_cast<std::size_t>(index)];
        if (empty != not_known) return reader.skip(index, empty);
        const Tile<T>& tile = reader.read(index);
        if (tile.empty) empty = static_cast<std::int16_t>(tile.inside);
        return tile;
    }

    // Adds up what `look(tile, part)` finds in every tile.
    template <class Total, class Look> Total over_tiles(const Total& total, const Look& look) {
        const auto make = [&] {
            return [&, reader = TileReader<T>(votes_)](std::int64_t job, const Worker&) mutable {
                Total part(votes_.size());
                for (std::int64_t t = job * tiles_of_job; t < end_of(job); ++t)
                    look(read(reader, t), part);
                return part;
            };
        };
        return sum_over_jobs(jobs(), team_, total, make);
    }

    // Throws BadInput for the first vote or prior that cannot be used.
    void refuse(const Tile<T>& tile) const {
        Block block(votes_);
        read_block(votes_, tile.first / block_voxels, block);
    }

    void inspect(const Tile<T>& tile, Findings& findings) const {
        findings.inside += tile.inside;
        if (tile.empty) {
            findings.empty += tile.inside;
            return;
        }
        Inspection found;
        kernels::best<T>().inspect(tile.columns, found);
        bool good = found.plain;
        for (std::size_t i = 0; i < findings.spread.size(); ++i) {
            good &= votes_.check == Check::unit || found.spread[i] == 0;
            findings.census.volume[i] += found.yes[i];
            findings.spread[i] += found.spread[i];
        }
        findings.census.disputed += found.disputed;
        findings.range.include(found.least);
        findings.range.include(found.most);
        for (std::int64_t k = 0; tile.columns.prior && k < tile.voxels; ++k) {
            const auto prior = static_cast<double>(tile.columns.prior[k]);
            good &= prior > 0 && prior < 1;
            findings.least_prior = std::min({findings.least_prior, prior, 1 - prior});
            findings.census.prior += tile.columns.weight[k] != 0 ? prior : 0;
        }
        if (!good) refuse(tile);
    }

    Findings survey_votes() {
        const Rates<T> none{};
        return over_tiles(Findings(votes_.size()), [&](const Tile<T>& tile, Findings& part) {
            inspect(tile, part);
            if (tile.empty) return;
            ProductSums sums;
            kernels::best<T>().expect(tile.columns, none, Step::mean_vote, sums);
            add(sums, part.census.mean_vote);
        });
    }

    Findings survey_masses(Gather gather) {
        const bool with_moments = gather == Gather::masses_and_moments;
        const MassShares split(votes_.size(), with_moments, votes_.voxels());
        std::vector<Findings> findings(static_cast<std::size_t>(split.shares), Findings(votes_.size()));
        std::vector<std::vector<double>> tables(findings.size(), std::vector<double>(split.table_size));
        struct Scratch {
            TileReader<T> reader;
            StripAdder<T> adder;
        };
        PerThread<Scratch> scratch(team_);
        const auto make = [&] { return Scratch{TileReader<T>(votes_), StripAdder<T>(split, with_moments)}; };
        team_.run(split.jobs(), [&](std::int64_t job, const Worker& worker) {
            Scratch& own = scratch.of(worker, make);
            const std::int64_t strip = job % split.strips(), share = job / split.strips();
            const auto at = static_cast<std::size_t>(share);
            const std::int64_t end = tiles() * (share + 1) / split.shares;
            for (std::int64_t t = tiles() * share / split.shares; t < end && !worker.stopped(); ++t) {
                const Tile<T>& tile = strip == 0 ? read(own.reader, t) : own.reader.read(t);
                if (strip == 0) inspect(tile, findings[at]);
                if (!tile.empty) own.adder.add(tile.columns, strip, tables[at].data());
            }
        });
        Findings total(votes_.size());
        for (std::size_t s = 0; s < tables.size(); ++s) { // in this order for every team
            total.add(findings[s]);
            for (std::size_t b = 0; s > 0 && b < split.table_size; ++b)
                tables[0][b] += tables[s][b];
        }
        tables.resize(1);
        tables[0][0] += total.empty;
        masses_.emplace(votes_.size(),
                        with_moments ? with_all_moments(tables[0], votes_.size()) : std::move(tables[0]));
        return total;
    }

    // Moments hold Σ q_i q_t(B). Without them, a rater's own mark stands for their vote, which leaves
    // Σ q_i (1 − q_i) on the wrong side.
    Sums mean_vote_of_masses(const std::vector<double>& spread) const {
        const Performance none(votes_.size());
        Sums sums = fastfuse::expectation(*masses_, Model::mean_vote, MStep::paper, none, team_);
        for (std::size_t i = 0; i < spread.size() && !masses_->with_moments(); ++i) {
            const double part = spread[i] / votes_.size();
            sums.true_positive[i] = std::max(sums.true_positive[i] - part, 0.0);
            sums.false_negative[i] += part;
            sums.false_positive[i] += part;
            sums.true_negative[i] = std::max(sums.true_negative[i] - part, 0.0);
        }
        return sums;
    }

    bool fits(Step step, const Performance& performance) const {
        constexpr double least = std::is_same_v<T, float> ? 1e-30 : 1e-280;
        const double prior = std::min(performance.prior, 1 - performance.prior);
        return step == Step::mean_vote || least_evidence(performance, range_.lowest, range_.highest,
                                                         votes_.prior ? least_prior_ : prior) > least;
    }

    // The same in double precision, where floats do not suffice.
    Dense* wider() {
        if constexpr (std::is_same_v<T, float>) {
            if (!wider_) {
                auto made = std::make_unique<DenseIn<double>>(votes_, team_);
                made->range_ = range_;
                made->least_prior_ = least_prior_;
                wider_ = std::move(made);
            }
        }
        return wider_.get();
    }

    void add_empty(Step step, const Performance& performance, double voxels, Sums& to) const {
        const EmptyRows rows(votes_.size(), voxels);
        const Model model = step == Step::mean_vote ? Model::mean_vote : Model::product;
        const MStep m_step = step == Step::marks ? MStep::em : MStep::paper;
        if (voxels > 0) to.add(fastfuse::expectation(rows, model, m_step, performance, team_));
    }

    double empty_probability(Step step, const Performance& performance) const {
        const EmptyRows rows(votes_.size(), 1);
        Posterior posterior;
        if (step != Step::mean_vote) product_posterior(rows.batch(), performance, posterior);
        return posterior.foreground[0];
    }

    // Writes what `make()(tile, consensus)` finds for every tile, 0 outside the mask.
    template <class Make> Written write_tiles(const Output& to, double empty_probability, const Make& make) {
        const auto room = static_cast<std::size_t>(kernels::tile_voxels<T>);
        const auto make_share = [&] {
            return [&, reader = TileReader<T>(votes_), find = make(),
                    copied = std::vector<T>(room)](std::int64_t job, const Worker& worker) mutable {
                Written written(votes_.size());
                for (std::int64_t t = job * tiles_of_job; t < end_of(job) && !worker.stopped(); ++t) {
                    const Tile<T>& tile = read(reader, t);
                    if (tile.empty) {
                        fill(tile, empty_probability, to, written);
                        continue;
                    }
                    const bool in_place =
                        to.wide == std::is_same_v<T, double> && tile.voxels == kernels::tile_voxels<T>;
                    T* consensus = in_place ? to.place<T>(tile.first) : copied.data();
                    find(tile, consensus);
                    compare(tile, consensus, written);
                    if (!in_place) copy(tile, consensus, to);
                }
                return written;
            };
        };
        return sum_over_jobs(jobs(), team_, Written(votes_.size()), make_share);
    }

    void compare(const Tile<T>& tile, const T* consensus, Written& written) const {
        T least, most;
        kernels::best<T>().extremes(consensus, tile.columns.weight, least, most);
        written.range.include(static_cast<double>(least));
        written.range.include(static_cast<double>(most));
        const double seen = weighted_dot(consensus, tile.columns.weight, nullptr, kernels::tile_voxels<T>);
        for (std::size_t i = 0; i < written.marked_by.size(); ++i) {
            written.seen_by[i] += seen;
            written.marked_by[i] +=
                weighted_dot(consensus, tile.columns.weight, tile.columns.vote[i], kernels::tile_voxels<T>);
        }
    }

    static void copy(const Tile<T>& tile, const T* consensus, const Output& to) {
        for (std::int64_t k = 0; k < tile.voxels; ++k)
            to.put(tile.first + k, static_cast<double>(consensus[k]));
    }

    static void fill(const Tile<T>& tile, double probability, const Output& to, Written& written) {
        to.fill(tile.first, tile.voxels, tile.inside > 0 ? probability : 0);
        if (tile.inside > 0) written.range.include(probability);
        for (double& seen : written.seen_by)
            seen += tile.inside * probability;
        if (tile.inside == 0 || tile.inside == static_cast<double>(tile.voxels)) return;
        for (std::int64_t k = 0; k < tile.voxels; ++k)
            if (tile.columns.weight[k] == 0) to.put(tile.first + k, 0);
    }

    template <class> friend class DenseIn;

    const Votes& votes_;
    const Team& team_;
    std::vector<std::int16_t> empty_; // of each tile: its voxels that count if nobody votes in it
    Range range_;                     // of the votes in tiles that are not empty
    double least_prior_ = 0.5;
    std::optional<Masses> masses_;
    std::unique_ptr<Dense> wider_;
};

} // namespace

std::unique_ptr<Dense> Dense::of(const Votes& votes, bool fine, const Team& team) {
    if (fine) return std::make_unique<DenseIn<double>>(votes, team);
    return std::make_unique<DenseIn<float>>(votes, team);
}

} // namespace fastfuse
