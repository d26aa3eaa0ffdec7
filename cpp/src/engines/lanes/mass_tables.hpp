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
std::size_t half_table_size(int raters, bool with_moments);

// Tables that fit into 2 bytes a voxel, 64 at most; divided into strips where they make fewer jobs.
MassShares tile_shares(int raters, std::size_t table_size, std::int64_t voxels);

// Adds tiles to one strip of a table. Scratch of one thread.
template <class T> class StripAdder {
  public:
    StripAdder(const MassShares& split, bool with_moments)
        : split_(split), with_moments_(with_moments), trees_(split.other_raters()),
          root_(static_cast<std::size_t>(kernels::tile_voxels<T>)), ones_(root_.size(), T(1)) {}

    void add(const kernels::Columns<T>& votes, std::int64_t strip, double* table) {
        const int others = split_.other_raters();
        begin(votes, strip, -1);
        trees_.add_to(table + (strip << others)); // eq. (8)
        if (!with_moments_) return;
        for (int i = 0; i < others; ++i)
            trees_.add_moment_to(moments(table, i) + (strip << (others - 1)), i, votes.vote[i]);
        for (int j = 0; j < split_.strip_raters; ++j) {
            if (strip >> j & 1) continue;
            begin(votes, strip, j);
            trees_.add_to(moments(table, others + j) + (kernels::without_rater(strip, j) << others));
        }
    }

  private:
    double* moments(double* table, int rater) const {
        const std::size_t patterns = std::size_t{1} << split_.raters;
        return table + patterns + static_cast<std::size_t>(rater) * patterns / 2;
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
    std::vector<T> root_, ones_;
};

// N(B) and M_i(B) of all patterns, in the layout of Masses.
std::vector<double> with_all_moments(const std::vector<double>& table, int raters);

} // namespace fastfuse
