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

// Adds q(B) d^j to sum (j, B), as whole numbers.
FASTFUSE_CLONES void add_powers(const double* q, std::size_t patterns, double d, double shift,
                                std::int64_t* sums) {
    double power = 1;
    for (int j = 0; j < orders; ++j, power *= d, sums += patterns)
        for (std::size_t b = 0; b < patterns; ++b) {
            const double value = shift + q[b] * power;
            std::uint64_t bits, sum;
            std::memcpy(&bits, &value, sizeof bits);
            std::memcpy(&sum, sums + b, sizeof sum);
            sum += bits; // it may wrap around on the way
            std::memcpy(sums + b, &sum, sizeof sum);
        }
}

// Scratch of one thread.
class Gatherer {
  public:
    Gatherer(const Votes& votes, bool with_votes, const Grid& grid, std::size_t most_cells)
        : reader_(votes), raters_(votes.size()), patterns_(std::size_t{1} << raters_),
          sets_(with_votes ? static_cast<std::size_t>(raters_) + 1 : 1), grid_(grid), most_cells_(most_cells),
          slot_(static_cast<std::size_t>(cells), none), q_(patterns_), v_(patterns_),
          vote_(static_cast<std::size_t>(raters_)) {}

    void add(std::int64_t index) {
        const Tile<double>& tile = reader_.read(index);
        if (tile.inside == 0) return;
        if (!locate(tile.columns.prior, tile.voxels, cell_.data(), d_.data())) throw NoPlace();
        for (std::int64_t k = 0; k < tile.voxels; ++k)
            if (tile.columns.weight[k] != 0) add_voxel(tile, static_cast<std::size_t>(k));
    }

    bool has(std::uint32_t cell) const { return slot_[cell] != none; }
    std::int64_t voxels(std::uint32_t cell) const { return voxels_[static_cast<std::size_t>(slot_[cell])]; }
    std::int64_t sum(std::uint32_t cell, std::size_t row, std::size_t j) const {
        const std::vector<std::int64_t>& sums = sums_[static_cast<std::size_t>(slot_[cell])];
        return sums[(row / patterns_ * orders + j) * patterns_ + row % patterns_];
    }

  private:
    void add_voxel(const Tile<double>& tile, std::size_t k) {
        q_[0] = 1;
        for (std::size_t i = 0; i < vote_.size(); ++i) {
            vote_[i] = tile.columns.vote[i][k];
            branch(q_.data(), std::size_t{1} << i, 1 - vote_[i], vote_[i]);
        }
        std::int64_t* sums = sums_of(cell_[k]);
        add_powers(q_.data(), patterns_, d_[k], grid_.shift(), sums);
        for (std::size_t set = 1; set < sets_; ++set) {
            for (std::size_t b = 0; b < patterns_; ++b)
                v_[b] = q_[b] * (vote_[set - 1] - static_cast<double>(b >> (set - 1) & 1));
            add_powers(v_.data(), patterns_, d_[k], grid_.shift(), sums + set * orders * patterns_);
        }
    }

    std::int64_t* sums_of(std::uint32_t cell) {
        std::int32_t& slot = slot_[cell];
        if (slot == none) {
            if (sums_.size() == most_cells_) throw NoPlace();
            slot = static_cast<std::int32_t>(sums_.size());
            sums_.emplace_back(sets_ * orders * patterns_);
            voxels_.push_back(0);
        }
        ++voxels_[static_cast<std::size_t>(slot)];
        return sums_[static_cast<std::size_t>(slot)].data();
    }

    TileReader<double> reader_;
    int raters_;
    std::size_t patterns_, sets_;
    const Grid& grid_;
    std::size_t most_cells_;
    std::vector<std::int32_t> slot_;              // of each cell that occurs: its number
    std::vector<std::vector<std::int64_t>> sums_; // of each of these: Σ q_t(B) d^j, then of V_i(B)
    std::vector<std::int64_t> voxels_;
    std::vector<double> q_, v_, vote_; // of one voxel: q(B), V_i(B) and q_i
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
        for (std::int64_t t = first; t < end && !worker.stopped(); ++t)
            own.add(t);
    };
    try {
        in_runs(tile_count<double>(votes), team, gather);
    } catch (const NoPlace&) {
        return std::nullopt;
    }
    std::vector<std::pair<std::uint32_t, std::int64_t>> found; // cells that occur, and their voxels
    for (std::uint32_t cell = 0; cell < cells; ++cell) {
        std::int64_t voxels = 0;
        gatherers.each([&](const Gatherer& own) { voxels += own.has(cell) ? own.voxels(cell) : 0; });
        if (voxels > 0) found.emplace_back(cell, voxels);
    }
    if (found.size() > most_cells) return std::nullopt; // the same answer for every team
    Moments moments;
    moments.count_.resize(rows);
    for (std::size_t row = 0; row < rows; ++row)
        for (const auto& [cell, voxels] : found) {
            std::array<double, orders> moment;
            for (std::size_t j = 0; j < orders; ++j) {
                std::uint64_t whole = 0;
                gatherers.each([&, at = cell](const Gatherer& own) {
                    if (own.has(at)) whole += static_cast<std::uint64_t>(own.sum(at, row, j));
                });
                moment[j] = grid.sum(static_cast<std::int64_t>(whole), voxels);
            }
            moments.add(row, cell, moment);
        }
    return moments;
}

} // namespace fastfuse::map
