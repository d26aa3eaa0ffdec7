// The products q_t(B) of a tile's voxels, as u_t v_t: u over the first half of the raters, v over the rest.
#pragma once

#include <cstdint>
#include <vector>

#include "engines/lanes/kernels.hpp"

namespace fastfuse {

// Scratch of one thread.
template <class T> class HalfTrees {
  public:
    explicit HalfTrees(int raters)
        : low_(raters - raters / 2), high_(raters / 2), u_(room(low_)), v_(room(high_)) {}

    // Finds u and v. Each product of v is multiplied by its voxel's root.
    void spread(const T* const* vote, const T* root, const T* ones) {
        kernels::best<T>().spread(vote, low_, ones, u_.data());
        kernels::best<T>().spread(vote + low_, high_, root, v_.data());
    }

    // Adds Σ_t q_t(B) to mass B.
    void add_to(kernels::MassSums<T> sums) const { add(u_.data(), low_, v_.data(), high_, sums); }

    // Adds Σ_t q_it q_t(B) to mass (B without rater i), over the patterns B in which rater i votes 0.
    void add_moment_to(kernels::MassSums<T> sums, int i, const T* vote) {
        const bool is_low = i < low_;
        scaled_.resize(room((is_low ? low_ : high_) - 1));
        if (is_low) {
            kernels::best<T>().scale_rows(u_.data(), low_, i, vote, scaled_.data());
            add(scaled_.data(), low_ - 1, v_.data(), high_, sums);
        } else {
            kernels::best<T>().scale_rows(v_.data(), high_, i - low_, vote, scaled_.data());
            add(u_.data(), low_, scaled_.data(), high_ - 1, sums);
        }
    }

    // The scores of the tile's voxels, where the root was their weight.
    void score(const kernels::ScoreTables<T>& tables, T* rows) const {
        kernels::best<T>().score(u_.data(), v_.data(), low_, tables, rows);
    }

  private:
    static std::size_t room(int raters) {
        return (std::size_t{1} << raters) * static_cast<std::size_t>(kernels::row_stride<T>);
    }
    static void add(const T* u, int low, const T* v, int high, kernels::MassSums<T> sums) {
        kernels::best<T>().add_products(u, 1 << low, v, 1 << high, sums, std::int64_t{1} << low);
    }

    int low_, high_; // number of raters of u, and of v
    std::vector<T> u_, v_, scaled_;
};

} // namespace fastfuse
