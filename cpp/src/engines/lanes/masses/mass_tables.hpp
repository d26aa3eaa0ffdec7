// Tables of masses, gathered from a volume's tiles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "em/mass_shares.hpp"
#include "engines/lanes/masses/half_trees.hpp"
#include "engines/lanes/tiles.hpp"

namespace fastfuse {

// Size of a table: N(B), then M_i(B) for the patterns in which rater i votes 0.
std::int64_t half_table_size(int raters, bool with_moments);

// Tables that fit into 2 bytes a voxel, 64 at most; divided into strips where they make fewer jobs.
MassShares tile_shares(int raters, std::size_t table_size, std::int64_t voxels);

// Adds tiles to one strip of a table. Scratch of one thread.
template <class T> class StripAdder {
  public:
    StripAdder(const MassShares& split, bool with_moments)
        : split_(split), with_moments_(with_moments), trees_(split.other_raters()),
          root_(kernels::tile_voxels<T>), ones_(kernels::tile_voxels<T>, T(1)) {
        const std::int64_t masses = half_table_size(split.raters, with_moments);
        in_lanes_ = split.strip_raters == 0 && kernels::best<T>().add_patterns &&
                    split.raters >= kernels::fewest_pattern_raters &&
                    split.raters <= kernels::most_pattern_raters;
        if (in_lanes_)
            lanes_.resize(16 * kernels::pattern_vectors(split.raters, with_moments));
        else if (split.strip_raters == 0 && masses <= most_in_lanes) {
            masses_ = masses;
            lanes_.resize(masses * kernels::widest_lanes / static_cast<int>(sizeof(T)));
        }
    }

    void add(const kernels::Columns<T>& votes, std::int64_t strip, double* table) {
        if (in_lanes_)
            kernels::best<T>().add_patterns(votes, with_moments_, lanes_.data());
        else
            kernels::each_row<T>([&](std::int64_t first) {
                add_row(votes, first, strip, {table, lanes_.empty() ? nullptr : lanes_.data()});
            });
        if (++tiles_ == tiles_in_lanes) settle(table);
    }

    // Completes the table after its last tile.
    void settle(double* table) {
        tiles_ = 0;
        if (in_lanes_) return kernels::settle_patterns(split_.raters, with_moments_, lanes_, table);
        if (!lanes_.empty()) kernels::best<T>().settle({table, lanes_.data()}, masses_);
    }

  private:
    static constexpr std::int64_t most_in_lanes = 1 << 12; // 256 KiB: they stay in a core's own cache
    static constexpr int tiles_in_lanes = 4;               // a lane of floats then sums up 128 products

    void add_row(const kernels::Columns<T>& votes, std::int64_t first, std::int64_t strip,
                 kernels::MassSums<T> sums) {
        const int others = split_.other_raters();
        begin(votes, first, strip, -1);
        trees_.add_to(sums.from(strip << others),
                      {votes.next, votes.raters, first * static_cast<std::int64_t>(sizeof(T))}); // eq. (8)
        for (int i = 0; with_moments_ && i < others; ++i)
            trees_.add_moment_to(sums.from(moments(i) + (strip << (others - 1))), i, votes.vote[i] + first);
        for (int j = 0; with_moments_ && j < split_.strip_raters; ++j) {
            if (strip >> j & 1) continue;
            begin(votes, first, strip, j);
            trees_.add_to(sums.from(moments(others + j) + (kernels::without_rater(strip, j) << others)), {});
        }
    }

    // Place of a rater's moments.
    std::int64_t moments(int rater) const {
        const std::int64_t patterns = std::int64_t{1} << split_.raters;
        return patterns + rater * patterns / 2;
    }

    // The products, times the weights of the strip's raters; the vote of rater `again` counts twice.
    void begin(const kernels::Columns<T>& votes, std::int64_t first, std::int64_t strip, int again) {
        const int others = split_.other_raters();
        if (split_.strip_raters == 0) return trees_.spread(votes.vote, first, votes.weight, ones_.data());
        T* root = root_.data();
        const std::int64_t end = first + kernels::row_voxels<T>;
        std::copy(votes.weight + first, votes.weight + end, root + first);
        for (int j = 0; j < split_.strip_raters; ++j)
            for (std::int64_t k = first; k < end; ++k) {
                const T q = votes.vote[others + j][k];
                root[k] *= (strip >> j & 1 ? q : 1 - q) * (j == again ? q : 1);
            }
        trees_.spread(votes.vote, first, root, ones_.data());
    }

    const MassShares& split_;
    bool with_moments_, in_lanes_ = false; // whether patterns are in lanes, not voxels
    HalfTrees<T> trees_;
    kernels::Aligned<T> root_, ones_, lanes_;
    std::int64_t masses_ = 0; // in the lanes
    int tiles_ = 0;           // in the lanes
};

// N(B) and M_i(B) of all patterns, in the layout of Masses.
std::vector<double> with_all_moments(const std::vector<double>& table, int raters);

} // namespace fastfuse
