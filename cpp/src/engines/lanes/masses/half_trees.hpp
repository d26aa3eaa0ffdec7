// The products q_t(B) of a row of a tile's voxels, as u_t v_t: u over the first half of the raters, v over
// the rest.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engines/lanes/kernels.hpp"

namespace fastfuse {

// Scratch of one thread.
template <class T> class HalfTrees {
  public:
    explicit HalfTrees(int raters)
        : low_(raters - raters / 2), high_(raters / 2), u_(room(low_)), v_(room(high_)),
          scaled_(room(low_) / 2) {}

    // Finds u and v of the row that begins at voxel `first`. Each product of v is multiplied by its voxel's
    // root.
    void spread(const T* const* vote, std::int64_t first, const T* root, const T* ones) {
        kernels::best<T>().spread(vote, low_, first, ones, u_.data());
        kernels::best<T>().spread(vote + low_, high_, first, root, v_.data());
    }

    // Adds Σ_t q_t(B) to mass B. Meanwhile asks for votes.
    void add_to(kernels::MassSums<T> sums, kernels::Ahead ahead) const {
        add(u_.data(), low_, v_.data(), high_, sums, ahead);
    }

    // Adds Σ_t q_it q_t(B) to mass (B without rater i), over the patterns B in which rater i votes 0.
    void add_moment_to(kernels::MassSums<T> sums, int i, const T* vote) {
        const bool is_low = i < low_;
        if (is_low) {
            kernels::best<T>().scale_rows(u_.data(), low_, i, vote, scaled_.data());
            add(scaled_.data(), low_ - 1, v_.data(), high_, sums);
        } else {
            kernels::best<T>().scale_rows(v_.data(), high_, i - low_, vote, scaled_.data());
            add(u_.data(), low_, scaled_.data(), high_ - 1, sums);
        }
    }

    // The scores of the row's voxels, where the root was their weight.
    void score(const kernels::ScoreTables<T>& tables, T* rows) const {
        kernels::best<T>().score(u_.data(), v_.data(), low_, tables, rows);
    }

  private:
    static std::int64_t room(int raters) { return kernels::row_stride<T> << raters; }
    static void add(const T* u, int low, const T* v, int high, kernels::MassSums<T> sums,
                    kernels::Ahead ahead = {}) {
        kernels::best<T>().add_products(u, 1 << low, v, 1 << high, sums, std::int64_t{1} << low, ahead);
    }

    int low_, high_; // number of raters of u, and of v
    kernels::Aligned<T> u_, v_, scaled_;
};

} // namespace fastfuse
