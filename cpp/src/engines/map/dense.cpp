// Moments of the 2^m binary patterns, of votes that do not repeat: each voxel adds to all of them.

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "engines/lanes/tiles.hpp"
#include "engines/map/moments.hpp"
#include "posterior/enumeration.hpp"
#include "support/lanes.hpp"
#include "support/runs.hpp"
#include "support/simd.hpp"

namespace fastfuse::map {
namespace {

struct NoPlace {}; // thrown where the moments cannot hold the map

constexpr std::int32_t none = -1;
constexpr std::int64_t tiles_at_once = 16;
constexpr std::size_t voxels_at_once = 16; // of one cell

using Doubles = kernels::Lanes<double, 64>;
using Words = kernels::Lanes<std::uint64_t, 64>;
constexpr std::size_t width = kernels::lanes_in<double, 64>;

// Some voxels of one cell.
struct Run {
    std::size_t size = 0;
    std::array<double, voxels_at_once> d{};
    const double* q = nullptr; // q(B) of voxel k at k * room + B
    std::size_t room = 0;      // a multiple of `width`
};

// Adds Σ q(B) d^j of the run to sum (j, B), as whole numbers; with `vote`, those of q(B) (vote − bit(B)).
FASTFUSE_CLONES void add_run(const Run& run, const double* vote, const double* bit, double shift,
                             std::uint64_t* sums) {
    for (std::size_t b = 0; b < run.room; b += width) {
        std::array<Doubles, orders> part{};
        for (std::size_t k = 0; k < run.size; ++k) {
            Doubles x = kernels::load<Doubles>(run.q + k * run.room + b);
            if (vote) x *= kernels::broadcast<Doubles>(vote[k]) - kernels::load<Doubles>(bit + b);
            for (std::size_t j = 0; j < orders; ++j) {
                part[j] += x;
                x *= run.d[k];
            }
        }
        for (std::size_t j = 0; j < orders; ++j) {
            const Doubles shifted = part[j] + shift;
            Words bits;
            std::memcpy(&bits, &shifted, sizeof bits);
            std::uint64_t* to = sums + j * run.room + b;
            kernels::store(to, kernels::load<Words>(to) + bits); // it may wrap around on the way
        }
    }
}

// Scratch of one thread.
class Gatherer {
  public:
    Gatherer(const Votes& votes, bool with_votes, const Grid& grid, std::size_t most_cells)
        : reader_(votes), raters_(static_cast<std::size_t>(votes.size())),
          sets_(with_votes ? raters_ + 1 : 1), grid_(grid), most_cells_(most_cells),
          slot_(static_cast<std::size_t>(cells), none) {
        const std::size_t patterns = std::size_t{1} << raters_;
        run_.room = std::max(patterns, width);
        q_.resize(voxels_at_once * run_.room);
        run_.q = q_.data();
        vote_.resize(raters_ * voxels_at_once);
        bit_.resize(raters_ * run_.room);
        for (std::size_t i = 0; i < raters_; ++i)
            for (std::size_t b = 0; b < patterns; ++b)
                bit_[i * run_.room + b] = static_cast<double>(b >> i & 1);
    }

    // The same runs for every team, as their sums are rounded.
    void add(std::int64_t first, std::int64_t end, const Worker& worker) {
        voxels_.clear();
        votes_.clear();
        for (std::int64_t t = first; t < end && !worker.stopped(); ++t)
            list(reader_.read(t));
        std::sort(voxels_.begin(), voxels_.end(), [](const Voxel& a, const Voxel& b) {
            return a.cell != b.cell ? a.cell < b.cell : a.number < b.number;
        });
        for (std::size_t k = 0; k < voxels_.size(); k += run_.size)
            add_run_from(k);
    }

    bool has(std::uint32_t cell) const { return slot_[cell] != none; }
    std::int64_t runs(std::uint32_t cell) const { return runs_[static_cast<std::size_t>(slot_[cell])]; }
    std::uint64_t sum(std::uint32_t cell, std::size_t row, std::size_t j) const {
        const std::size_t set = row >> raters_, pattern = row & ((std::size_t{1} << raters_) - 1);
        return sums_[static_cast<std::size_t>(slot_[cell])][(set * orders + j) * run_.room + pattern];
    }

  private:
    struct Voxel {
        std::uint32_t cell, number;
        double d;
    };

    // Lists the voxels of a tile that count.
    void list(const Tile<double>& tile) {
        if (tile.inside == 0) return;
        if (!locate(tile.columns.prior, tile.voxels, cell_.data(), d_.data())) throw NoPlace();
        for (std::size_t k = 0; k < static_cast<std::size_t>(tile.voxels); ++k) {
            if (tile.columns.weight[k] == 0) continue;
            voxels_.push_back({cell_[k], static_cast<std::uint32_t>(voxels_.size()), d_[k]});
            for (std::size_t i = 0; i < raters_; ++i)
                votes_.push_back(tile.columns.vote[i][k]);
        }
    }

    void add_run_from(std::size_t first) {
        const std::uint32_t cell = voxels_[first].cell;
        run_.size = 0;
        for (std::size_t k = first; k < voxels_.size() && voxels_[k].cell == cell; ++k) {
            if (run_.size == voxels_at_once) break;
            const double* vote = votes_.data() + voxels_[k].number * raters_;
            double* q = q_.data() + run_.size * run_.room;
            q[0] = 1;
            for (std::size_t i = 0; i < raters_; ++i) {
                branch(q, std::size_t{1} << i, 1 - vote[i], vote[i]);
                vote_[i * voxels_at_once + run_.size] = vote[i];
            }
            run_.d[run_.size++] = voxels_[k].d;
        }
        std::uint64_t* sums = sums_of(cell);
        add_run(run_, nullptr, nullptr, grid_.shift(), sums);
        for (std::size_t i = 0; i + 1 < sets_; ++i)
            add_run(run_, &vote_[i * voxels_at_once], &bit_[i * run_.room], grid_.shift(),
                    sums + (i + 1) * orders * run_.room);
    }

    std::uint64_t* sums_of(std::uint32_t cell) {
        std::int32_t& slot = slot_[cell];
        if (slot == none) {
            if (sums_.size() == most_cells_) throw NoPlace();
            slot = static_cast<std::int32_t>(sums_.size());
            sums_.emplace_back(sets_ * orders * run_.room);
            runs_.push_back(0);
        }
        ++runs_[static_cast<std::size_t>(slot)];
        return sums_[static_cast<std::size_t>(slot)].data();
    }

    TileReader<double> reader_;
    std::size_t raters_, sets_;
    const Grid& grid_;
    std::size_t most_cells_;
    std::vector<std::int32_t> slot_;               // of each cell that occurs: its number
    std::vector<std::vector<std::uint64_t>> sums_; // of each of these: Σ q_t(B) d^j, then of V_i(B)
    std::vector<std::int64_t> runs_;               // of each of these
    std::vector<Voxel> voxels_;                    // those of some tiles
    std::vector<double> votes_;                    // theirs, rater by rater
    Run run_;
    std::vector<double> q_, vote_, bit_; // of the run: q(B), and q_i at i * voxels_at_once + k; b_i
    std::array<std::uint32_t, kernels::tile_voxels<double>> cell_{};
    std::array<double, kernels::tile_voxels<double>> d_{};
};

} // namespace

std::optional<Moments> Moments::of_dense(const Votes& votes, bool with_votes, const Team& team) {
    constexpr std::int64_t least_bytes = 1 << 25;
    const std::size_t rows = static_cast<std::size_t>(with_votes ? votes.size() + 1 : 1) << votes.size();
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
