// How the masses of a whole volume are gathered: who fills which table, and how the tables add up.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engines/lanes/half_trees.hpp"
#include "engines/lanes/tiles.hpp"

namespace fastfuse {

// The volume's tiles are dealt out to shares, each with a table of its own; where the tables of many raters
// leave no room for many shares, strips divide each: a strip holds the patterns that begin with its own
// bits of the last raters. One division for every team, so that sums are the same.
struct MassShares {
    MassShares(int of_raters, bool with_moments, std::int64_t voxels);
    int raters, strip_raters = 0;
    std::size_t patterns, table_size; // N(B), then M_i(B) for the patterns in which rater i votes 0
    std::int64_t shares;

    std::int64_t strips() const { return std::int64_t{1} << strip_raters; }
    std::int64_t jobs() const { return shares * strips(); }
};

// Adds tiles to one strip of a table. Scratch of one thread.
template <class T> class StripAdder {
  public:
    StripAdder(const MassShares& split, bool with_moments)
        : split_(split), with_moments_(with_moments), trees_(split.raters - split.strip_raters),
          root_(static_cast<std::size_t>(kernels::tile_voxels<T>)), ones_(root_.size(), T(1)) {}

    void add(const kernels::Columns<T>& votes, std::int64_t strip, double* table) {
        const int others = split_.raters - split_.strip_raters;
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
        return table + split_.patterns + static_cast<std::size_t>(rater) * split_.patterns / 2;
    }

    // The products, times what the strip's raters give; `again` votes twice.
    void begin(const kernels::Columns<T>& votes, std::int64_t strip, int again) {
        const int others = split_.raters - split_.strip_raters;
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

// N(B) and M_i(B) of all patterns, as Masses keeps them.
std::vector<double> with_all_moments(const std::vector<double>& table, int raters);

} // namespace fastfuse
