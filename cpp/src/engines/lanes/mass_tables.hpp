// Tables of masses, gathered from a volume's tiles.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "em/mass_shares.hpp"
#include "engines/lanes/half_trees.hpp"
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
          root_(static_cast<std::size_t>(kernels::tile_voxels<T>)), ones_(root_.size(), T(1)) {
        const std::int64_t masses = half_table_size(split.raters, with_moments);
        if (split.strip_raters == 0 && masses <= most_in_lanes)
            lanes_.resize(static_cast<std::size_t>(masses * kernels::widest_lanes) / sizeof(T));
    }

    void add(const kernels::Columns<T>& votes, std::int64_t strip, double* table) {
        const int others = split_.other_raters();
        const kernels::MassSums<T> sums{table, lanes_.empty() ? nullptr : lanes_.data()};
        begin(votes, strip, -1);
        trees_.add_to(sums.from(strip << others)); // eq. (8)
        for (int i = 0; with_moments_ && i < others; ++i)
            trees_.add_moment_to(sums.from(moments(i) + (strip << (others - 1))), i, votes.vote[i]);
        for (int j = 0; with_moments_ && j < split_.strip_raters; ++j) {
            if (strip >> j & 1) continue;
            begin(votes, strip, j);
            trees_.add_to(sums.from(moments(others + j) + (kernels::without_rater(strip, j) << others)));
        }
        if (++tiles_ == tiles_in_lanes) settle(table);
    }

    // Completes the table after its last tile.
    void settle(double* table) {
        tiles_ = 0;
        if (lanes_.empty()) return;
        const auto masses = static_cast<std::int64_t>(lanes_.size() * sizeof(T)) / kernels::widest_lanes;
        kernels::best<T>().settle({table, lanes_.data()}, masses);
    }

  private:
    static constexpr std::int64_t most_in_lanes = 1 << 12; // 256 KiB: they stay in a core's own cache
    static constexpr int tiles_in_lanes = 4;               // a lane of floats then sums up 128 products

    // Place of a rater's moments.
    std::int64_t moments(int rater) const {
        const std::int64_t patterns = std::int64_t{1} << split_.raters;
        return patterns + rater * patterns / 2;
    }

    // The products, times the weights of the strip's raters; the vote of rater `again` counts twice.
    void begin(const kernels::Columns<T>& votes, std::int64_t strip, int again) {
        const int others = split_.other_raters();
        std::copy_n(votes.weight, root_.size(), root_.begin());
        for (int j = 0; j < split_.strip_raters; ++j)
            for (std::size_t k = 0; k < root_.size(); ++k) {
                const T q = votes.vote[others + j][k];
                root_[k] *= (strip >> j & 1 ? q : 1 - q) * (j == again ? q : 1);
            }
        trees_.spread(votes.vote, root_.data(), ones_.data());
    }

    const MassShares& split_;
    bool with_moments_;
    HalfTrees<T> trees_;
    std::vector<T> root_, ones_, lanes_;
    int tiles_ = 0; // in the lanes
};

// N(B) and M_i(B) of all patterns, in the layout of Masses.
std::vector<double> with_all_moments(const std::vector<double>& table, int raters);

} // namespace fastfuse
