// soft-STAPLE's expectation by its characteristic function, for raters too many for 2^m masses. The device's
// twin of characteristic.cpp; characteristic.hpp says where it comes from.
//
//   s_i(b)   log-odds of rater i's vote b; gain_i = s_i(1) − s_i(0)
//   S        logit π + Σ_i s_i(b_i), and w = E σ(S)                                              eq. (9)
//   φ(ω)     E e^{iωS} = e^{iω start} Π_i ((1 − q_i) + q_i e^{iω gain_i}),  start = logit π + Σ_i s_i(0)
//   h        step from node to node, ω_k = (k + ½) h
//
// A thread has a voxel. Most voxels are answered at once, as all of S lies on one side of 0. The others wait
// in the block's queue until there is one for each thread, and go through nodes together.
#include "cuda/sums.cuh"
#include "cuda/votes.cuh"
#include "posterior/product.hpp"

namespace fastfuse::cuda {
namespace {

constexpr int most_groups = most_raters / raters_together;
constexpr int all_raters = raters_together * most_groups;
static_assert(all_raters == most_raters);

__host__ __device__ constexpr int padded(int groups) { return groups * raters_together; }

// Doubles of a block of nodes: two weights for each, and cos and sin of each rater.
__host__ __device__ constexpr int block_size(int groups) { return nodes_together * 2 * (1 + padded(groups)); }

struct Complex {
    double real, imaginary;
};

__device__ Complex operator*(const Complex& a, const Complex& b) {
    return {a.real * b.real - a.imaginary * b.imaginary, a.real * b.imaginary + a.imaginary * b.real};
}

__device__ Complex turn(double angle) { return {cos(angle), sin(angle)}; }

__device__ bool is_fractional(double vote) { return vote > 0 && vote < 1; }

__global__ void fill_tables(Odds odds, NodeSets sets, double* table) {
    const int raters = padded(odds.groups);
    for (std::int64_t n = first_voxel(); n < most_terms * raters; n += voxels_apart())
        table[n] = exp(-static_cast<double>(n / raters) * fabs(odds.gain[n % raters]));
    for (int s = 0; s < sets.sets; ++s) {
        const std::int64_t entries =
            static_cast<std::int64_t>(sets.blocks[s]) * nodes_together * (1 + raters);
        for (std::int64_t n = first_voxel(); n < entries; n += voxels_apart()) {
            const std::int64_t node = n / (1 + raters);
            const int what = static_cast<int>(n % (1 + raters));
            double* to = table + sets.begin[s] + node / nodes_together * block_size(odds.groups) +
                         what * 2 * nodes_together + node % nodes_together;
            const double omega = (static_cast<double>(node) + 0.5) * sets.step[s];
            const double weight = sets.step[s] / sinh(pi * omega);
            to[0] = what == 0 ? weight : cos(omega * odds.gain[what - 1]);
            to[nodes_together] = what == 0 ? weight / omega : sin(omega * odds.gain[what - 1]);
        }
    }
}

// A voxel's votes, as far as S is concerned.
struct Row {
    std::int64_t voxel;
    double start = 0;                                       // S if every vote were 0
    double base = 0;                                        // S if every fractional vote were 0
    double lowest = 0, highest = 0, mean = 0, variance = 0; // of S
    double log_zero = 0;                                    // E log p(B | truth 0), with 1 − π
    int doubts = 0;
};

// One thread's voxels, and what it gathers from them.
template <bool splits> class Gatherer {
  public:
    __device__ Gatherer(const ByNodes& given, const double* table)
        : columns_(given.columns), odds_(given.odds), sets_(given.sets), table_(table), to_(given.to) {}

    // Answers the voxel, or says which set of nodes it needs.
    __device__ int take(std::int64_t voxel) {
        const Row row = begin(voxel);
        if (row.highest <= -one_sided) return expand(row, false), -1;
        if (row.lowest >= one_sided) return expand(row, true), -1;
        const Tails tails = bound_tails(row);
        if (tails.log_foreground <= -negligible) return saturate(row, false), -1;
        if (tails.log_background <= -negligible) return saturate(row, true), -1;
        const double largest = tails.highest > -tails.lowest ? tails.highest : -tails.lowest;
        const double ratio = (largest + negligible) / least_period;
        const int set = ratio <= 1 ? 0 : static_cast<int>(ceil(log(ratio) / log(period_ratio)));
        return set < sets_.sets ? set : sets_.sets - 1;
    }

    __device__ void integrate(std::int64_t voxel, int set) {
        const Row row = begin(voxel);
        const double step = sets_.step[set];
        Complex now = turn(row.start * 0.5 * step);
        const Complex by = turn(row.start * step);
        const double* nodes = table_ + sets_.begin[set];
        double odd = 0, even = 0;
        for (int b = 0; b < sets_.blocks[set]; ++b, nodes += block_size(odds_.groups)) {
            Complex phi[nodes_together];
            FASTFUSE_UNROLL
            for (int n = 0; n < nodes_together; ++n) {
                phi[n] = now;
                now = now * by;
            }
            splits ? split_block(row, nodes, phi) : multiply_all(row, nodes, phi);
            FASTFUSE_UNROLL
            for (int n = 0; n < nodes_together; ++n) {
                odd += nodes[n] * phi[n].imaginary;
                even += nodes[nodes_together + n] * (1 - phi[n].real);
            }
        }
        odd = odd < -0.5 ? -0.5 : odd > 0.5 ? 0.5 : odd;
        answer(row, 0.5 + odd, 0.5 - odd, even + 0.5 * row.mean + log_2);
        for (int i = 0; i < columns_.raters && splits; ++i) {
            const double q = vote(row, i);
            add_away(i, 0.5 * q, 0.5 * (1 - q), 0.5 * q, 0.5 * (1 - q));
        }
    }

    double sum[fixed_sums + 2 * most_raters] = {};
    Extremes extremes;

  private:
    // What all but e^−37 of S lies between; the logarithm of what E σ(S) and E σ(−S) are less than.
    struct Tails {
        double lowest, highest;
        double log_foreground = 0, log_background = 0;
    };

    __device__ double vote(const Row& row, int rater) const { return read_vote(columns_, rater, row.voxel); }

    __device__ Row begin(std::int64_t voxel) const {
        Row row{voxel};
        double above = 0, below = 0, mean = 0;
        row.start = row.base = odds_.logit;
        row.log_zero = odds_.log_background;
        for (int i = 0; i < columns_.raters; ++i) {
            const double q = vote(row, i), gain = odds_.gain[i];
            row.log_zero += q * odds_.log_false_alarm[i] + (1 - q) * odds_.log_rejection[i];
            row.start += odds_.no[i];
            row.base += odds_.no[i] + (q == 1 ? gain : 0);
            if (!is_fractional(q)) continue;
            (gain < 0 ? below : above) += gain;
            mean += q * gain;
            row.variance += q * (1 - q) * gain * gain;
            ++row.doubts;
        }
        row.lowest = row.base + below;
        row.highest = row.base + above;
        row.mean = row.base + mean;
        return row;
    }

    // Chernoff, as in characteristic.cpp.
    __device__ Tails bound_tails(const Row& row) const {
        Tails tails{row.lowest, row.highest};
        if (row.doubts < worth_bounding) return tails;
        constexpr int tries = 4, factors_a_logarithm = 8;
        const double least = sqrt(2 * negligible / row.variance) / 4;
        double up[tries], down[tries], log_up[tries], log_down[tries]; // E e^{±t(S − base)}
        FASTFUSE_UNROLL
        for (int k = 0; k < tries; ++k) {
            up[k] = down[k] = 1;
            log_up[k] = log_down[k] = 0;
        }
        int doubts = 0;
        for (int i = 0; i < columns_.raters; ++i) {
            const double q = vote(row, i);
            if (!is_fractional(q)) continue;
            double more = exp(least * odds_.gain[i]), less = 1 / more;
            FASTFUSE_UNROLL
            for (int k = 0; k < tries; ++k) {
                up[k] *= 1 - q + q * more;
                down[k] *= 1 - q + q * less;
                more *= more;
                less *= less;
            }
            ++doubts;
            if (doubts % factors_a_logarithm != 0 && doubts < row.doubts) continue;
            FASTFUSE_UNROLL
            for (int k = 0; k < tries; ++k) {
                log_up[k] += log(up[k]);
                log_down[k] += log(down[k]);
                up[k] = down[k] = 1;
            }
        }
        double t = least;
        FASTFUSE_UNROLL
        for (int k = 0; k < tries; ++k, t *= 2) {
            const double foreground = log_up[k] + t * row.base, background = log_down[k] - t * row.base;
            tails.highest = Least{}(tails.highest, (foreground + negligible) / t);
            tails.lowest = Greatest{}(tails.lowest, -(background + negligible) / t);
            if (t > 1) continue;
            tails.log_foreground = Least{}(tails.log_foreground, foreground);
            tails.log_background = Least{}(tails.log_background, background);
        }
        return tails;
    }

    // Where S < 0 throughout, σ(S) = Σ_k (−1)^{k+1} e^{kS} and log(1 + e^S) = Σ_k (−1)^{k+1} e^{kS} / k, and
    // E e^{kS} is a product. Mirrored, the same of −S.
    __device__ void expand(const Row& row, bool mirrored) {
        const double end = mirrored ? -row.lowest : row.highest; // the value of S, or −S, nearest to 0
        const double ratio = exp(end);
        const int terms = static_cast<int>(ceil(-negligible / end)) + 1;
        double term[most_terms];
        double sum_of_terms = 0, log_sum = 0, leading = -1;
        int last = 0;
        while (last < terms) {
            const int k = ++last;
            leading *= -ratio;
            double found = leading;
            for (int i = 0; i < columns_.raters; ++i)
                found *= factor(vote(row, i), i, k, mirrored);
            term[k] = found;
            sum_of_terms += found;
            log_sum += found / k;
            if (fabs(found) <= rounding * fabs(sum_of_terms)) break;
        }
        if (mirrored)
            answer(row, 1 - sum_of_terms, sum_of_terms, log_sum + row.mean);
        else
            answer(row, sum_of_terms, 1 - sum_of_terms, log_sum);
        for (int i = 0; i < columns_.raters && splits; ++i)
            split_expansion(row, i, term, last, sum_of_terms, mirrored);
    }

    // Whether a mark of 1 brings S, or −S, nearer to 0.
    __device__ bool near_is_mark(int rater, bool mirrored) const {
        return (odds_.gain[rater] > 0) != mirrored;
    }

    // E e^{kS} has one for each rater in doubt.
    __device__ double factor(double q, int rater, int k, bool mirrored) const {
        if (!is_fractional(q)) return 1;
        const double near = near_is_mark(rater, mirrored) ? q : 1 - q;
        return near + (1 - near) * decay(k, rater);
    }
    __device__ double decay(int k, int rater) const { return table_[k * padded(odds_.groups) + rater]; }

    // The sum of the terms, split by the rater's own mark.
    __device__ void split_expansion(const Row& row, int rater, const double* term, int terms,
                                    double sum_of_terms, bool mirrored) {
        const double q = vote(row, rater);
        double near_sum = 0, far_sum = 0;
        const bool mark = near_is_mark(rater, mirrored);
        const double near = mark ? q : 1 - q;
        for (int k = 1; k <= terms && is_fractional(q); ++k) {
            const double whole = term[k] / factor(q, rater, k, mirrored);
            near_sum += whole * near;
            far_sum += whole * (1 - near) * decay(k, rater);
        }
        if (!is_fractional(q)) (mark == (q == 1) ? near_sum : far_sum) = sum_of_terms;
        const double yes = mark ? near_sum : far_sum, no = mark ? far_sum : near_sum;
        const double other_yes = Greatest{}(q - yes, 0), other_no = Greatest{}(1 - q - no, 0);
        mirrored ? add_away(rater, other_yes, other_no, yes, no)
                 : add_away(rater, yes, no, other_yes, other_no);
    }

    // All but e^−37 of S lies so far on one side that σ(S) is 0, or 1, to the last digit.
    __device__ void saturate(const Row& row, bool marked) {
        answer(row, marked ? 1 : 0, marked ? 0 : 1, marked ? row.mean : 0);
        for (int i = 0; i < columns_.raters && splits; ++i) {
            const double q = vote(row, i);
            marked ? add_away(i, q, 1 - q, 0, 0) : add_away(i, 0, 0, q, 1 - q);
        }
    }

    // w = E σ(S), u = E σ(−S), softplus = E log(1 + e^S).
    __device__ void answer(const Row& row, double w, double u, double softplus) {
        sum[0] += w;
        sum[1] += u;
        sum[2] += row.log_zero + softplus;
        for (int i = 0; i < columns_.raters && !splits; ++i) {
            const double q = vote(row, i);
            add_away(i, w * q, w * (1 - q), u * q, u * (1 - q));
        }
        if (!to_.data) return;
        put(to_, row.voxel, w);
        extremes.add(w);
    }

    // A rater's marks 1 and 0 where truth is 1, and where it is 0: those away from the likelier mark.
    __device__ void add_away(int rater, double hit, double miss, double false_alarm, double rejection) {
        sum[fixed_sums + 2 * rater] += odds_.one_yes[rater] ? miss : hit;
        sum[fixed_sums + 2 * rater + 1] += odds_.zero_yes[rater] ? rejection : false_alarm;
    }

    // A group's part of a block of nodes: cos and sin of each of its raters.
    __device__ const double* turns_of(int group, const double* nodes) const {
        return nodes + 2 * nodes_together * (1 + group * raters_together);
    }

    __device__ void read_group(const Row& row, int group, double* q) const {
        FASTFUSE_UNROLL
        for (int j = 0; j < raters_together; ++j) {
            const int i = group * raters_together + j;
            q[j] = i < columns_.raters ? vote(row, i) : 0;
        }
    }

    // (1 − q) + q e^{iω gain} of the group's rater j at node n.
    __device__ static Complex factor_at(const double* turns, int j, int n, double q) {
        const double* rater = turns + 2 * nodes_together * j;
        return {1 - q + q * rater[n], q * rater[nodes_together + n]};
    }

    // φ becomes its product with all factors of the group.
    __device__ static void multiply(const double* turns, const double* q, Complex* phi) {
        FASTFUSE_UNROLL
        for (int n = 0; n < nodes_together; ++n) {
            FASTFUSE_UNROLL
            for (int j = 0; j < raters_together; ++j)
                phi[n] = phi[n] * factor_at(turns, j, n, q[j]);
        }
    }

    __device__ void multiply_all(const Row& row, const double* nodes, Complex* phi) const {
        for (int g = 0; g < odds_.groups; ++g) {
            double q[raters_together];
            read_group(row, g, q);
            multiply(turns_of(g, nodes), q, phi);
        }
    }

    // The same, and the integrals over the product of all raters but one, for each: products of the groups
    // before his, of those after it, and of the others of his own.
    __device__ void split_block(const Row& row, const double* nodes, Complex* phi) {
        Complex before[most_groups][nodes_together], after[nodes_together];
        for (int g = 0; g < odds_.groups; ++g) {
            double q[raters_together];
            read_group(row, g, q);
            FASTFUSE_UNROLL
            for (int n = 0; n < nodes_together; ++n)
                before[g][n] = phi[n];
            multiply(turns_of(g, nodes), q, phi);
        }
        FASTFUSE_UNROLL
        for (int n = 0; n < nodes_together; ++n)
            after[n] = {1, 0};
        for (int g = odds_.groups; g-- > 0;) {
            double q[raters_together];
            read_group(row, g, q);
            double without[raters_together] = {}, with_mark[raters_together] = {};
            const double* turns = turns_of(g, nodes);
            FASTFUSE_UNROLL
            for (int n = 0; n < nodes_together; ++n) {
                const Complex f0 = factor_at(turns, 0, n, q[0]), f1 = factor_at(turns, 1, n, q[1]);
                const Complex f2 = factor_at(turns, 2, n, q[2]), f3 = factor_at(turns, 3, n, q[3]);
                const Complex outside = before[g][n] * after[n];
                const Complex first = f0 * f1, second = f2 * f3;
                const Complex for_first = outside * second, for_second = outside * first;
                const Complex others[raters_together] = {for_first * f1, for_first * f0, for_second * f3,
                                                         for_second * f2};
                after[n] = after[n] * (first * second);
                FASTFUSE_UNROLL
                for (int j = 0; j < raters_together; ++j) {
                    const double* rater = turns + 2 * nodes_together * j;
                    without[j] += nodes[n] * others[j].imaginary;
                    with_mark[j] += nodes[n] * (others[j].real * rater[nodes_together + n] +
                                                others[j].imaginary * rater[n]);
                }
            }
            FASTFUSE_UNROLL
            for (int j = 0; j < raters_together; ++j) {
                const int i = g * raters_together + j;
                if (i >= columns_.raters) continue;
                const double yes = q[j] * with_mark[j], no = (1 - q[j]) * without[j];
                add_away(i, yes, no, -yes, -no);
            }
        }
    }

    const Columns& columns_;
    const Odds& odds_;
    const NodeSets& sets_;
    const double* table_;
    const Consensus& to_;
};

// How many of the block's threads before this one say yes, and how many of all.
__device__ int count_before(bool yes, int& all) {
    __shared__ int before[block_threads];
    const int me = static_cast<int>(threadIdx.x);
    before[me] = yes;
    __syncthreads();
    for (int apart = 1; apart < block_threads; apart *= 2) {
        const int further = me >= apart ? before[me - apart] : 0;
        __syncthreads();
        before[me] += further;
        __syncthreads();
    }
    all = before[block_threads - 1];
    const int mine = before[me] - yes;
    __syncthreads(); // before anybody writes the next count
    return mine;
}

// What is given lies in the device's memory: of parameters that functions take by reference every thread
// would have a copy.
template <bool splits>
__global__ void expect_rows(const ByNodes* given, const double* table, double* part, double* extreme) {
    const Columns& columns = given->columns;
    __shared__ std::int64_t waiting[2 * block_threads];
    __shared__ int set_of[2 * block_threads];
    Gatherer<splits> gatherer(*given, table);
    const int me = static_cast<int>(threadIdx.x);
    int size = 0; // of the queue
    // The last so many, by the nodes that suffice for all of them.
    const auto answer = [&](int many) {
        const bool mine = me < many;
        const int at = size - many + (mine ? me : 0);
        const int set = static_cast<int>(over_block(mine ? set_of[at] : 0, Greatest{}));
        if (mine) gatherer.integrate(waiting[at], set);
        size -= many;
        __syncthreads(); // before anybody queues another
    };
    const std::int64_t apart = static_cast<std::int64_t>(gridDim.x) * block_threads;
    for (std::int64_t base = static_cast<std::int64_t>(blockIdx.x) * block_threads; base < columns.voxels;
         base += apart) {
        const std::int64_t voxel = base + me;
        const int set = skips(columns, voxel, given->to) ? -1 : gatherer.take(voxel);
        int more = 0;
        const int place = size + count_before(set >= 0, more);
        if (set >= 0) {
            waiting[place] = voxel;
            set_of[place] = set;
        }
        size += more;
        __syncthreads();
        if (size >= block_threads) answer(block_threads);
    }
    if (size > 0) answer(size);
    leave_sums(gatherer.sum, fixed_sums + 2 * columns.raters, part);
    leave_extremes(gatherer.extremes, extreme);
}

} // namespace

NodeSets node_sets_for(const Odds& odds, double largest) {
    NodeSets sets{};
    sets.size = most_terms * padded(odds.groups);
    for (sets.sets = 0; sets.sets <= static_cast<int>(set_within(largest)); ++sets.sets) {
        if (sets.sets == most_sets) throw DeviceError("CUDA: the rates and the prior are too extreme");
        const auto s = static_cast<std::size_t>(sets.sets);
        sets.step[s] = 2 * pi / period_of(s);
        sets.blocks[s] = static_cast<int>(last_node / sets.step[s] / nodes_together) + 1;
        sets.begin[s] = sets.size;
        sets.size += static_cast<std::int64_t>(sets.blocks[s]) * block_size(odds.groups);
    }
    return sets;
}

void expect_by_nodes(const ByNodes& given, bool splits, double* sums, Scratch& tables, Scratch& scratch) {
    const Place& place = scratch.place();
    constexpr std::size_t given_doubles = (sizeof given + sizeof(double) - 1) / sizeof(double);
    double* memory = tables.doubles(given_doubles + static_cast<std::size_t>(given.sets.size));
    double* table = memory + given_doubles;
    copy_to_device(place, &given, sizeof given, reinterpret_cast<std::byte*>(memory));
    launch(fill_tables, blocks_for(place, given.sets.size / block_threads + 1), place, "preparing nodes",
           given.odds, given.sets, table);
    const int blocks = blocks_for(place, given.columns.voxels / block_threads + 1);
    const Parts parts(product_sums(given.columns.raters), blocks, scratch);
    launch(splits ? expect_rows<true> : expect_rows<false>, blocks, place, "an E-step",
           reinterpret_cast<const ByNodes*>(memory), table, parts.sums(), parts.extremes());
    parts.add_up(sums);
}

} // namespace fastfuse::cuda
