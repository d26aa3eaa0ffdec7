// Moments of the 2^m binary patterns, of votes that do not repeat: each voxel adds to all of them.
//
// The voxels of a cell come in runs. A row of products is one of eight, of the first three raters that take
// part, times one of the others': of all raters for q(B), of all but i, times q_i (1 − q_i), for V_i(B).

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

#include "engines/lanes/tiles.hpp"
#include "engines/map/moments.hpp"
#include "support/lanes.hpp"
#include "support/runs.hpp"
#include "support/simd.hpp"

namespace fastfuse::map {
namespace {

struct NoPlace {}; // thrown where the moments cannot hold the map

constexpr std::int32_t none = -1;
constexpr std::int64_t tiles_at_once = 128;
constexpr std::size_t voxels_at_once = 64; // of one cell: their sums are at most that, which Grid can round
constexpr std::size_t low_raters = 3, low_products = 1 << low_raters;

using Doubles = kernels::Lanes<double, 64>;
using Words = kernels::Lanes<std::uint64_t, 64>;
constexpr std::size_t width = kernels::lanes_in<double, 64>;
static_assert(low_products % width == 0);

// A number of each voxel of a run.
using Column = std::array<double, voxels_at_once>;
Column filled_with(double value) {
    Column column;
    column.fill(value);
    return column;
}

// Voxels of one cell.
struct Run {
    std::size_t size = 0;
    Column d{};
    std::vector<Column> yes, no; // q and 1 − q of each rater
};

using Low = std::array<double, low_products>;

// Sets the products of three raters, voxel by voxel.
FASTFUSE_CLONES void set_low(std::size_t voxels, const std::array<const Column*, low_raters>& no,
                             const std::array<const Column*, low_raters>& yes, Low* low) {
    for (std::size_t k = 0; k < voxels; ++k) {
        const double a0 = (*no[0])[k], a1 = (*yes[0])[k];
        const double b0 = (*no[1])[k], b1 = (*yes[1])[k];
        const double c0 = (*no[2])[k], c1 = (*yes[2])[k];
        const double d0 = a0 * b0, d1 = a1 * b0, d2 = a0 * b1, d3 = a1 * b1;
        low[k] = {d0 * c0, d1 * c0, d2 * c0, d3 * c0, d0 * c1, d1 * c1, d2 * c1, d3 * c1};
    }
}

// Appends a rater to n products, as branch() does.
FASTFUSE_CLONES void branch_columns(Column* product, std::size_t n, const Column& no, const Column& yes) {
    for (std::size_t b = 0; b < n; ++b)
        for (std::size_t k = 0; k < voxels_at_once; ++k) {
            product[n + b][k] = product[b][k] * yes[k];
            product[b][k] *= no[k];
        }
}

// Adds Σ_k low_k high_k d_k^j to eight sums of each order j, for each high, as whole numbers.
FASTFUSE_CLONES void add_products(const Run& run, const Low* low, const Column* high, std::size_t highs,
                                  double shift, std::uint64_t* sums, std::size_t rows) {
    for (std::size_t b = 0; b < highs; ++b)
        for (std::size_t first = 0; first < low_products; first += width) {
            std::array<Doubles, orders> part{};
            for (std::size_t k = 0; k < run.size; ++k) {
                Doubles x = kernels::load<Doubles>(low[k].data() + first) * high[b][k];
                for (std::size_t j = 0; j < orders; ++j) {
                    part[j] += x;
                    x *= run.d[k];
                }
            }
            for (std::size_t j = 0; j < orders; ++j) {
                const Doubles shifted = part[j] + shift;
                Words bits;
                std::memcpy(&bits, &shifted, sizeof bits);
                std::uint64_t* to = sums + j * rows + b * low_products + first;
                kernels::store(to, kernels::load<Words>(to) + bits); // it may wrap around on the way
            }
        }
}

// The products over a run's raters, times a factor of each voxel.
class Products {
  public:
    explicit Products(std::size_t raters)
        : low_(voxels_at_once), high_(std::size_t{1} << (raters - low_raters)) {}

    // Of all raters but `but`; at least three.
    void set(const Run& run, std::size_t but, const Column& factor) {
        std::array<const Column*, low_raters> no{}, yes{};
        std::size_t taken = 0, highs = 1;
        high_[0] = factor;
        for (std::size_t i = 0; i < run.yes.size(); ++i) {
            if (i == but) continue;
            if (taken < low_raters) {
                no[taken] = &run.no[i];
                yes[taken++] = &run.yes[i];
                continue;
            }
            branch_columns(high_.data(), highs, run.no[i], run.yes[i]);
            highs *= 2;
        }
        set_low(run.size, no, yes, low_.data());
    }
    std::size_t rows() const { return low_products * high_.size(); }
    void add(const Run& run, double shift, std::uint64_t* sums, std::size_t rows) const {
        add_products(run, low_.data(), high_.data(), high_.size(), shift, sums, rows);
    }

  private:
    std::vector<Low> low_;     // of the first three raters
    std::vector<Column> high_; // of the others, and the factor
};

// Scratch of one thread.
class Gatherer {
  public:
    Gatherer(const Votes& votes, bool with_votes, const Grid& grid, std::size_t most_cells)
        : reader_(votes), raters_(static_cast<std::size_t>(votes.size())), grid_(grid),
          most_cells_(most_cells), slot_(static_cast<std::size_t>(cells), none) {
        const std::size_t least = low_raters + (with_votes ? 1 : 0); // others mark nothing
        run_.yes.resize(std::max(raters_, least), Column{});
        run_.no.resize(run_.yes.size(), filled_with(1));
        products_.emplace_back(run_.yes.size());
        if (with_votes) products_.resize(raters_ + 1, Products(run_.yes.size() - 1));
        for (const Products& set : products_)
            room_ += set.rows();
    }

    // The same runs for every team, as their sums are rounded.
    void add(std::int64_t first, std::int64_t end, const Worker& worker) {
        voxels_.clear();
        votes_.clear();
        for (std::int64_t t = first; t < end && !worker.stopped(); ++t)
            list(reader_.read(t));
        sort_by_cell();
        for (std::size_t k = 0; k < order_.size() && !worker.stopped(); k += run_.size)
            add_run_from(k);
    }

    bool has(std::uint32_t cell) const { return slot_[cell] != none; }
    std::int64_t runs(std::uint32_t cell) const { return runs_[static_cast<std::size_t>(slot_[cell])]; }
    // Σ of moment j, of a row as Moments::of_patterns numbers them.
    std::uint64_t sum(std::uint32_t cell, std::size_t row, std::size_t j) const {
        return sums_[static_cast<std::size_t>(slot_[cell])][j * room_ + place_of(row)];
    }

  private:
    struct Voxel {
        std::uint32_t cell;
        double d;
    };

    // Raters beyond the votes', who mark nothing, fill up the products of few.
    std::size_t place_of(std::size_t row) const {
        const std::size_t patterns = std::size_t{1} << raters_;
        if (row < patterns) return row;
        const std::size_t set = (row - patterns) / (patterns / 2),
                          pattern = (row - patterns) % (patterns / 2);
        return products_[0].rows() + set * products_[1].rows() + pattern;
    }

    // Lists the voxels of a tile that count.
    void list(const Tile<double>& tile) {
        if (tile.inside == 0) return;
        if (!locate(tile.columns.prior, tile.voxels, cell_.data(), d_.data())) throw NoPlace();
        for (std::size_t k = 0; k < static_cast<std::size_t>(tile.voxels); ++k) {
            if (tile.columns.weight[k] == 0) continue;
            voxels_.push_back({cell_[k], d_[k]});
            for (std::size_t i = 0; i < raters_; ++i)
                votes_.push_back(tile.columns.vote[i][k]);
        }
    }

    void sort_by_cell() {
        std::array<std::uint32_t, static_cast<std::size_t>(cells) + 1> end{};
        for (const Voxel& voxel : voxels_)
            ++end[voxel.cell + 1];
        std::partial_sum(end.begin(), end.end(), end.begin());
        order_.resize(voxels_.size());
        for (std::size_t k = 0; k < voxels_.size(); ++k)
            order_[end[voxels_[k].cell]++] = static_cast<std::uint32_t>(k);
    }

    // Adds the voxels from the first one on that have its cell.
    void add_run_from(std::size_t first) {
        const std::uint32_t cell = voxels_[order_[first]].cell;
        const std::size_t most = std::min(order_.size() - first, voxels_at_once);
        for (run_.size = 0; run_.size < most; ++run_.size) {
            const std::size_t k = order_[first + run_.size];
            if (voxels_[k].cell != cell) break;
            run_.d[run_.size] = voxels_[k].d;
            for (std::size_t i = 0; i < raters_; ++i)
                run_.yes[i][run_.size] = votes_[k * raters_ + i];
        }
        for (std::size_t i = 0; i < raters_; ++i)
            for (std::size_t k = 0; k < run_.size; ++k)
                run_.no[i][k] = 1 - run_.yes[i][k];
        set_products();
        std::uint64_t* sums = sums_of(cell);
        for (const Products& set : products_) {
            set.add(run_, grid_.shift(), sums, room_);
            sums += set.rows();
        }
    }

    void set_products() {
        static const Column one = filled_with(1);
        products_[0].set(run_, run_.yes.size(), one);
        for (std::size_t i = 0; i + 1 < products_.size(); ++i) {
            Column both;
            std::transform(run_.yes[i].begin(), run_.yes[i].end(), run_.no[i].begin(), both.begin(),
                           std::multiplies<>());
            products_[i + 1].set(run_, i, both);
        }
    }

    std::uint64_t* sums_of(std::uint32_t cell) {
        std::int32_t& slot = slot_[cell];
        if (slot == none) {
            if (sums_.size() == most_cells_) throw NoPlace();
            slot = static_cast<std::int32_t>(sums_.size());
            sums_.emplace_back(orders * room_);
            runs_.push_back(0);
        }
        ++runs_[static_cast<std::size_t>(slot)];
        return sums_[static_cast<std::size_t>(slot)].data();
    }

    TileReader<double> reader_;
    std::size_t raters_;
    const Grid& grid_;
    std::size_t most_cells_;
    std::vector<std::int32_t> slot_;               // of each cell that occurs: its number
    std::vector<std::vector<std::uint64_t>> sums_; // of each of these: the products' sums, order by order
    std::vector<std::int64_t> runs_;               // of each of these
    std::vector<Voxel> voxels_;                    // those of some tiles
    std::vector<std::uint32_t> order_;             // theirs by cell
    std::vector<double> votes_;                    // theirs, voxel by voxel
    std::vector<Products> products_;               // of the run: q(B), then V_i(B) of each rater
    std::size_t room_ = 0;                         // rows of all products
    Run run_;
    std::array<std::uint32_t, kernels::tile_voxels<double>> cell_{};
    std::array<double, kernels::tile_voxels<double>> d_{};
};

} // namespace

std::optional<Moments> Moments::of_dense(const Votes& votes, bool with_votes, const Team& team) {
    constexpr std::int64_t least_bytes = 1 << 25;
    const std::size_t rows = pattern_rows(votes.size(), with_votes);
    const auto most_cells = static_cast<std::size_t>(std::max(4 * votes.voxels(), least_bytes)) /
                            (rows * orders * sizeof(double));
    const Grid grid(votes.voxels());
    PerThread<Gatherer> gatherers(team);
    const auto gather = [&](std::int64_t first, std::int64_t end, const Worker& worker) {
        Gatherer& own = gatherers.of(worker, [&] { return Gatherer(votes, with_votes, grid, most_cells); });
        own.add(first, end, worker);
    };
    try {
        in_runs(tile_count<double>(votes), team, gather, tiles_at_once);
    } catch (const NoPlace&) {
        return std::nullopt;
    }
    std::vector<std::pair<std::uint32_t, std::int64_t>> found; // cells that occur, and their runs
    for (std::uint32_t cell = 0; cell < cells; ++cell) {
        std::int64_t runs = 0;
        gatherers.each([&](const Gatherer& own) { runs += own.has(cell) ? own.runs(cell) : 0; });
        if (runs > 0) found.emplace_back(cell, runs);
    }
    if (found.size() > most_cells) return std::nullopt; // the same answer for every team
    Moments moments;
    moments.count_.resize(rows);
    for (std::size_t row = 0; row < rows; ++row)
        for (const auto& [cell, runs] : found) {
            std::array<double, orders> moment;
            for (std::size_t j = 0; j < orders; ++j) {
                std::uint64_t whole = 0;
                gatherers.each([&, at = cell](const Gatherer& own) {
                    if (own.has(at)) whole += own.sum(at, row, j);
                });
                moment[j] = grid.sum(static_cast<std::int64_t>(whole), runs);
            }
            moments.add(row, cell, moment);
        }
    return moments;
}

} // namespace fastfuse::map
