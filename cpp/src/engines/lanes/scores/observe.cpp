#include "engines/lanes/scores/observe.hpp"

#include <array>
#include <utility>

#include "engines/lanes/lane_rates.hpp"
#include "engines/lanes/masses/half_trees.hpp"
#include "votes/empty_rows.hpp"

namespace fastfuse {
namespace {

// Rows for all rates and π, as many as the product of matrices takes at once.
std::size_t rows_for(int raters) { return (2 * static_cast<std::size_t>(raters) + 1 + 3) / 4 * 4; }

// Σ s s^T and, of the mixture, Σ w u (x_1 − x_0)(x_1 − x_0)^T; voxels in empty tiles are counted.
struct Products {
    explicit Products(int raters = 0) : score(rows_for(raters) * rows_for(raters)), doubt(score.size()) {}
    void add(const Products& other) {
        for (std::size_t k = 0; k < score.size(); ++k) {
            score[k] += other.score[k];
            doubt[k] += other.doubt[k];
        }
        empty += other.empty;
    }
    std::vector<double> score, doubt;
    double empty = 0;
};

// A value of each rate and voxel of a tile's row; of rows beyond the rates 0. Scratch of one thread.
template <class T> class TileRows {
  public:
    explicit TileRows(int raters)
        : rows_(rows_for(raters)), value_(rows_ * static_cast<std::size_t>(kernels::row_stride<T>)) {}
    T* data() { return value_.data(); }
    void add_products(const TileRows& other, std::vector<double>& to) const {
        const int rows = static_cast<int>(rows_);
        kernels::best<T>().add_products(value_.data(), rows, other.value_.data(), rows, {to.data(), nullptr},
                                        rows, {});
    }

  private:
    std::size_t rows_;
    kernels::Aligned<T> value_;
};

// The slopes' rows of a tile. Scratch of one thread.
template <class T> class Slopes {
  public:
    explicit Slopes(int raters) : difference_(raters), doubt_(raters), score_(raters) {}
    void add(const kernels::Columns<T>& votes, const kernels::Rates<T>& theta, Products& to) {
        kernels::each_row<T>([&](std::int64_t first) {
            kernels::best<T>().slopes(votes, theta, first,
                                      {difference_.data(), doubt_.data(), score_.data()});
            score_.add_products(score_, to.score);
            doubt_.add_products(difference_, to.doubt);
        });
    }

  private:
    TileRows<T> difference_, doubt_, score_;
};

// Adds the products of some raters' rates to those of all.
void add_of_raters(const Products& from, const std::vector<std::size_t>& raters, std::size_t all,
                   Products& to) {
    const std::size_t some = raters.size(), rows = rows_for(static_cast<int>(some)),
                      rows_of_all = rows_for(static_cast<int>(all));
    const auto place = [&](std::size_t rate) {
        return rate == 2 * some ? 2 * all : rate < some ? raters[rate] : all + raters[rate - some];
    };
    for (std::size_t a = 0; a <= 2 * some; ++a)
        for (std::size_t b = 0; b <= 2 * some; ++b) {
            to.score[place(a) * rows_of_all + place(b)] += from.score[a * rows + b];
            to.doubt[place(a) * rows_of_all + place(b)] += from.doubt[a * rows + b];
        }
}

// The products of voxels on which not all raters vote.
template <class T> Products partial_products(TileWalk<T>& walk, const Performance& performance) {
    const auto all = static_cast<std::size_t>(walk.votes().size());
    return walk.template sum_partial<Products>([&] {
        std::vector<Slopes<T>> slopes;
        for (int raters = 0; raters <= walk.votes().size(); ++raters)
            slopes.emplace_back(raters);
        return [&, all, slopes = std::move(slopes)](const Group<T>& group, Products& part,
                                                    const Worker&) mutable {
            if (group.raters.empty()) return;
            Products own(group.columns.raters);
            slopes[group.raters.size()].add(group.columns, rates_of<T>(of_raters(performance, group.raters)),
                                            own);
            add_of_raters(own, group.raters, all, part);
        };
    });
}

// Calls `add(a, b, found)` for the products of rates a and b.
template <class Add>
void each_rate(const std::vector<double>& from, int raters, std::size_t rates, const Add& add) {
    for (std::size_t a = 0; a < rates; ++a)
        for (std::size_t b = 0; b < rates; ++b)
            add(a, b, from[a * rows_for(raters) + b]);
}

// What scores are made of, in the form that the kernels take.
template <class T> class ScoreTables {
  public:
    ScoreTables(const Masses& masses, const Performance& theta) {
        const auto rows = masses.reader();
        Posterior posterior;
        for (std::int64_t index = 0; index < masses.batches(); ++index) {
            const Batch batch = rows->read(index);
            product_posterior(batch, theta, posterior);
            for (auto [truth, from] : {std::pair{0, &posterior.background}, {1, &posterior.foreground}})
                posterior_[static_cast<std::size_t>(truth)].insert(
                    posterior_[static_cast<std::size_t>(truth)].end(), from->begin(),
                    from->begin() + batch.rows);
        }
        for (std::size_t i = 0; i < theta.sensitivity.size(); ++i) {
            slope_[0].push_back({T(-1 / theta.false_positive_rate[i]), T(1 / theta.specificity[i])});
            slope_[1].push_back({T(1 / theta.sensitivity[i]), T(-1 / theta.false_negative_rate[i])});
        }
        of_prior_ = {T(-1 / (1 - theta.prior)), T(1 / theta.prior)};
    }

    kernels::ScoreTables<T> all() const {
        return {static_cast<int>(slope_[0].size()),
                {posterior_[0].data(), posterior_[1].data()},
                {slope_[0].data(), slope_[1].data()},
                {of_prior_[0], of_prior_[1]}};
    }

  private:
    std::array<std::vector<T>, 2> posterior_;
    std::array<std::vector<kernels::Slope<T>>, 2> slope_;
    std::array<T, 2> of_prior_;
};

} // namespace

template <class T>
std::vector<double> variability_of(TileWalk<T>& walk, const Masses& masses, const Performance& performance,
                                   bool with_prior) {
    const int raters = masses.raters();
    const ScoreTables<T> tables(masses, performance);
    const std::vector<T> ones(static_cast<std::size_t>(kernels::tile_voxels<T>), T(1));
    const Products products = walk.template sum<Products>([&] {
        return [&, trees = HalfTrees<T>(raters), scores = TileRows<T>(raters)](const Tile<T>& tile,
                                                                               Products& part) mutable {
            if (tile.empty) {
                part.empty += tile.inside;
                return;
            }
            kernels::each_row<T>([&](std::int64_t first) {
                trees.spread(tile.columns.vote, first, tile.columns.weight, ones.data());
                trees.score(tables.all(), scores.data());
                scores.add_products(scores, part.score);
            });
        };
    });
    const EmptyRows empty(raters, products.empty);
    std::vector<double> found = variability(empty, Model::product, performance, with_prior, walk.team());
    const std::size_t rates = 2 * static_cast<std::size_t>(raters) + (with_prior ? 1 : 0);
    each_rate(products.score, raters, rates,
              [&](std::size_t a, std::size_t b, double sum) { found[a * rates + b] += sum; });
    return found;
}

// The information's diagonal is V's: w x_1² + u x_0² = s² + w u (x_1 − x_0)².
template <class T>
Observed observe_votes(TileWalk<T>& walk, const Performance& performance, const Options& options) {
    const int raters = walk.votes().size();
    const kernels::Rates<T> theta = rates_of<T>(performance);
    Products products = walk.template sum<Products>([&] {
        return [&, slopes = Slopes<T>(raters)](const Tile<T>& tile, Products& part) mutable {
            if (tile.empty)
                part.empty += tile.inside;
            else
                slopes.add(tile.columns, theta, part);
        };
    });
    if (walk.votes().may_miss()) products.add(partial_products(walk, performance));
    const EmptyRows empty(raters, products.empty);
    const bool with_prior = options.estimates_prior();
    Observed found;
    found.information = information(empty, Model::product, performance, options, walk.team());
    found.variability = variability(empty, Model::product, performance, with_prior, walk.team());
    const std::size_t rates = 2 * static_cast<std::size_t>(raters) + (with_prior ? 1 : 0);
    each_rate(products.doubt, raters, rates, [&](std::size_t a, std::size_t b, double sum) {
        if (a != b) found.information[a * rates + b] -= sum;
    });
    each_rate(products.score, raters, rates, [&](std::size_t a, std::size_t b, double sum) {
        if (a == b) found.information[a * rates + b] += sum;
        found.variability[a * rates + b] += sum;
    });
    return found;
}

template std::vector<double> variability_of(TileWalk<float>&, const Masses&, const Performance&, bool);
template std::vector<double> variability_of(TileWalk<double>&, const Masses&, const Performance&, bool);
template Observed observe_votes(TileWalk<float>&, const Performance&, const Options&);
template Observed observe_votes(TileWalk<double>&, const Performance&, const Options&);

} // namespace fastfuse
