// One thread's voxels in an E-step by the characteristic function, and the sums gathered from them.
#pragma once

#include "cuda/characteristic/phi.cuh"
#include "cuda/characteristic/row.cuh"
#include "cuda/sums.cuh"
#include "posterior/product.hpp"

namespace fastfuse::cuda {

template <bool splits> class Gatherer {
  public:
    __device__ Gatherer(const ByNodes& given, const double* table)
        : rows_{given.columns, given.odds}, sets_(given.sets), table_(table), to_(given.to) {}

    // Answers the voxel and returns −1, or returns the set of nodes that it needs.
    __device__ int take(std::int64_t voxel) {
        const Row row = rows_.begin(voxel);
        if (row.highest <= -one_sided) return expand(row, false), -1;
        if (row.lowest >= one_sided) return expand(row, true), -1;
        const Tails tails = rows_.tails(row);
        if (tails.log_foreground <= -negligible) return saturate(row, false), -1;
        if (tails.log_background <= -negligible) return saturate(row, true), -1;
        const int set = static_cast<int>(set_within(Greatest{}(tails.highest, -tails.lowest)));
        return set < sets_.sets ? set : sets_.sets - 1;
    }

    // Answers a voxel by a set of nodes.
    __device__ void integrate(std::int64_t voxel, int set) {
        const Row row = rows_.begin(voxel);
        const double step = sets_.step[set];
        Complex now = turn(row.start * 0.5 * step);
        const Complex by = turn(row.start * step);
        const double* block = table_ + sets_.begin[set];
        double odd = 0, even = 0;
        for (int b = 0; b < sets_.blocks[set]; ++b, block += block_size(groups())) {
            Complex phi[nodes_together];
            FASTFUSE_UNROLL
            for (int n = 0; n < nodes_together; ++n) {
                phi[n] = now;
                now = now * by;
            }
            splits ? split_block(row, block, phi) : multiply_block(row, block, phi);
            FASTFUSE_UNROLL
            for (int n = 0; n < nodes_together; ++n) {
                odd += block[n] * phi[n].imaginary;
                even += block[nodes_together + n] * (1 - phi[n].real);
            }
        }
        odd = odd < -0.5 ? -0.5 : odd > 0.5 ? 0.5 : odd;
        answer(row, 0.5 + odd, 0.5 - odd, even + 0.5 * row.mean + log_2);
        for (int i = 0; i < raters() && splits; ++i) {
            const double q = rows_.vote(row, i);
            add_away(i, {0.5 * q, 0.5 * (1 - q), 0.5 * q, 0.5 * (1 - q)});
        }
    }

    double sum[fixed_sums + 2 * most_raters] = {};
    Extremes extremes;

  private:
    static constexpr int most_groups = most_raters / raters_together;
    static_assert(most_groups * raters_together == most_raters);

    __device__ int raters() const { return rows_.columns.raters; }
    __device__ int groups() const { return rows_.odds.groups; }

    __device__ void expand(const Row& row, bool mirrored) {
        double term[most_terms];
        Series series(row, mirrored);
        for (bool more = true; more;) {
            double found = series.begin_term();
            for (int i = 0; i < raters(); ++i)
                found *= factor(rows_.vote(row, i), i, series.terms, mirrored);
            term[series.terms] = found;
            more = series.add(found);
        }
        if (mirrored)
            answer(row, 1 - series.sum, series.sum, series.log_sum + row.mean);
        else
            answer(row, series.sum, 1 - series.sum, series.log_sum);
        for (int i = 0; i < raters() && splits; ++i)
            split_series(row, i, term, series, mirrored);
    }

    // The vote's factor of term k.
    __device__ double factor(double q, int rater, int k, bool mirrored) const {
        if (!is_fractional(q)) return 1;
        return NearMark(q, rows_.odds.gain[rater], mirrored).factor(decay(k, rater));
    }
    __device__ double decay(int k, int rater) const { return decay_at(k, rater, groups(), table_); }

    // Splits the series by the rater's own mark.
    __device__ void split_series(const Row& row, int rater, const double* term, const Series& series,
                                 bool mirrored) {
        const double q = rows_.vote(row, rater);
        double near_sum = 0, far_sum = 0;
        const NearMark near(q, rows_.odds.gain[rater], mirrored);
        for (int k = 1; k <= series.terms && is_fractional(q); ++k) {
            const double whole = term[k] / factor(q, rater, k, mirrored);
            near_sum += whole * near.probability;
            far_sum += whole * (1 - near.probability) * decay(k, rater);
        }
        if (!is_fractional(q)) (near.is_one == (q == 1) ? near_sum : far_sum) = series.sum;
        add_away(rater,
                 split_of(q, near.is_one ? near_sum : far_sum, near.is_one ? far_sum : near_sum, mirrored));
    }

    // For S far on one side of 0: σ(S) is 0 or 1 to the last digit, except with probability e^−37.
    __device__ void saturate(const Row& row, bool marked) {
        answer(row, marked ? 1 : 0, marked ? 0 : 1, marked ? row.mean : 0);
        for (int i = 0; i < raters() && splits; ++i) {
            const double q = rows_.vote(row, i);
            add_away(i, marked ? MarkSplit{q, 1 - q, 0, 0} : MarkSplit{0, 0, q, 1 - q});
        }
    }

    // w = E σ(S), u = E σ(−S), softplus = E log(1 + e^S).
    __device__ void answer(const Row& row, double w, double u, double softplus) {
        sum[0] += w;
        sum[1] += u;
        sum[2] += row.log_zero + softplus;
        for (int i = 0; i < raters() && !splits; ++i) {
            const double q = rows_.vote(row, i);
            add_away(i, {w * q, w * (1 - q), u * q, u * (1 - q)});
        }
        if (!to_.data) return;
        put(to_, row.voxel, w);
        extremes.add(w);
    }

    // Adds a rater's marks where truth is 1 and where it is 0, those that differ from the likelier mark.
    __device__ void add_away(int rater, const MarkSplit& split) {
        const Odds& odds = rows_.odds;
        sum[fixed_sums + 2 * rater] += odds.one_yes[rater] ? split.false_negative : split.true_positive;
        sum[fixed_sums + 2 * rater + 1] += odds.zero_yes[rater] ? split.true_negative : split.false_positive;
    }

    __device__ void read_group(const Row& row, int group, double* q) const {
        FASTFUSE_UNROLL
        for (int j = 0; j < raters_together; ++j) {
            const int i = group * raters_together + j;
            q[j] = i < raters() ? rows_.vote(row, i) : 0;
        }
    }

    __device__ void multiply_block(const Row& row, const double* block, Complex* phi) const {
        for (int g = 0; g < groups(); ++g) {
            double q[raters_together];
            read_group(row, g, q);
            multiply_group(g, block, q, phi);
        }
    }

    // Also integrates φ without one rater, for each of them: the product of the groups before theirs, of the
    // groups after it, and of the others in their group.
    __device__ void split_block(const Row& row, const double* block, Complex* phi) {
        Complex before[most_groups][nodes_together], after[nodes_together];
        for (int g = 0; g < groups(); ++g) {
            double q[raters_together];
            read_group(row, g, q);
            FASTFUSE_UNROLL
            for (int n = 0; n < nodes_together; ++n)
                before[g][n] = phi[n];
            multiply_group(g, block, q, phi);
        }
        FASTFUSE_UNROLL
        for (int n = 0; n < nodes_together; ++n)
            after[n] = {1, 0};
        for (int g = groups(); g-- > 0;)
            split_group(row, g, block, before[g], after);
    }

    __device__ void split_group(const Row& row, int group, const double* block, const Complex* before,
                                Complex* after) {
        double q[raters_together];
        read_group(row, group, q);
        WithoutOne sums;
        FASTFUSE_UNROLL
        for (int n = 0; n < nodes_together; ++n)
            after[n] = after[n] * add_without_one(group, block, q, n, before[n] * after[n], sums);
        FASTFUSE_UNROLL
        for (int j = 0; j < raters_together; ++j) {
            const int i = group * raters_together + j;
            if (i >= raters()) continue;
            const double yes = q[j] * sums.with_mark[j], no = (1 - q[j]) * sums.without[j];
            add_away(i, {yes, no, -yes, -no});
        }
    }

    Rows rows_;
    const NodeSets& sets_;
    const double* table_;
    const Consensus& to_;
};

} // namespace fastfuse::cuda
