// The E-step of simplified-soft-STAPLE on voxels in place, one pass an iteration; and the first look at all
// votes. The device's twin of kernels/product.hpp and kernels/inspect.hpp.
//
//   a_i1 = q_i θ_i1 + (1 − q_i)(1 − θ_i1)     a_i0 = q_i (1 − θ_i0) + (1 − q_i) θ_i0           eq. (10)
//   x = π Π_i a_i1                            y = (1 − π) Π_i a_i0
//   w = x / (x + y)                           p(truth 1 | votes)                               eqs. (12),
//   (13)
//
// The M-step sees the vote q_i or, for marks, q_i θ_i1 / a_i1 where truth is 1 and q_i (1 − θ_i0) / a_i0
// where it is 0. Summed are the votes away from the likelier mark: the other sums follow from Σ w and Σ (1 −
// w).
#include "cuda/sums.cuh"
#include "cuda/votes.cuh"

namespace fastfuse::cuda {
namespace {

template <class T> __device__ T vote_towards(T vote, bool yes) { return yes ? vote : T(1) - vote; }

template <class T> __device__ T likelihood(T vote, const Rate<T>& rate) {
    return rate.base + rate.slope * vote_towards(vote, rate.towards_yes); // eq. (10)
}

// What the M-step sees, away from the likelier mark.
template <class T> __device__ T seen_away(T vote, const Rate<T>& rate, Step step) {
    const T away = vote_towards(vote, !rate.towards_yes);
    return step == Step::marks ? away * rate.base / likelihood(vote, rate) : away;
}

// A voxel's w, 1 − w and, unless it is the mean vote, x + y.
template <class T> struct Shares {
    T foreground, background, evidence;
};

template <class T, int most>
__device__ Shares<T> shares_of(const T (&vote)[most][quad], int k, int raters, const Rates<T>& rates,
                               Step step) {
    if (step == Step::mean_vote) {
        T yes = 0, no = 0;
        for (int i = 0; i < most; ++i)
            if (i < raters) {
                yes += vote[i][k];
                no += T(1) - vote[i][k];
            }
        return {yes / T(raters), no / T(raters), T(1)};
    }
    T one = rates.prior, zero = rates.prior_complement;
    for (int i = 0; i < most; ++i)
        if (i < raters) {
            one *= likelihood(vote[i][k], rates.one[i]);
            zero *= likelihood(vote[i][k], rates.zero[i]);
        }
    const T evidence = one + zero;
    return {one / evidence, zero / evidence, evidence}; // eqs. (12), (13)
}

template <class T, int most>
__global__ void expect_voxels(Columns columns, Rates<T> rates, Step step, double* part, void* consensus,
                              bool wide, double* extreme) {
    double sum[fixed_sums + 2 * most] = {};
    double least = 1, greatest = 0;
    for (std::int64_t first = first_quad(); first < columns.voxels; first += quads_apart()) {
        T vote[most][quad];
        for (int i = 0; i < most; ++i)
            if (i < columns.raters) read_quad(columns, i, first, vote[i]);
        for (int k = 0; k < quad; ++k) { // a fixed number, so that votes stay in registers
            if (!counts(columns, first + k)) {
                if (consensus && first + k < columns.voxels) put(consensus, wide, first + k, 0);
                continue;
            }
            const Shares<T> shares = shares_of<T, most>(vote, k, columns.raters, rates, step);
            sum[0] += shares.foreground;
            sum[1] += shares.background;
            sum[2] += log(shares.evidence);
            for (int i = 0; i < most; ++i)
                if (i < columns.raters) {
                    sum[fixed_sums + 2 * i] += shares.foreground * seen_away(vote[i][k], rates.one[i], step);
                    sum[fixed_sums + 2 * i + 1] +=
                        shares.background * seen_away(vote[i][k], rates.zero[i], step);
                }
            if (!consensus) continue;
            put(consensus, wide, first + k, shares.foreground);
            least = Least{}(least, shares.foreground);
            greatest = Greatest{}(greatest, shares.foreground);
        }
    }
    leave_sums(sum, fixed_sums + 2 * columns.raters, part);
    leave_extremes(least, greatest, extreme);
}

template <int most>
__global__ void inspect_voxels(Columns columns, double* part, double* extreme, Count* stray,
                               Count* stray_mask) {
    double sum[fixed_findings + 2 * most] = {};
    double least = 1, greatest = 0;
    for (std::int64_t first = first_quad(); first < columns.voxels; first += quads_apart()) {
        bool yes[quad] = {}, no[quad] = {};
        for (int i = 0; i < most; ++i) {
            if (i >= columns.raters) break;
            double vote[quad];
            read_quad(columns, i, first, vote);
            for (int k = 0; k < quad; ++k) {
                if (!counts(columns, first + k)) continue;
                if (!(vote[k] >= 0 && vote[k] <= 1)) // nan, too
                    atomicMin(stray, static_cast<Count>(first + k) * columns.raters + i);
                yes[k] |= vote[k] != 0;
                no[k] |= vote[k] != 1;
                sum[fixed_findings + 2 * i] += vote[k];
                sum[fixed_findings + 2 * i + 1] += vote[k] * (1 - vote[k]);
                least = Least{}(least, vote[k]);
                greatest = Greatest{}(greatest, vote[k]);
            }
        }
        for (int k = 0; k < quad && first + k < columns.voxels; ++k) {
            if (columns.mask && columns.mask[first + k] > 1)
                atomicMin(stray_mask, static_cast<Count>(first + k));
            if (!counts(columns, first + k)) continue;
            sum[0] += 1;
            sum[1] += yes[k] && no[k] ? 1 : 0;
        }
    }
    leave_sums(sum, fixed_findings + 2 * columns.raters, part);
    leave_extremes(least, greatest, extreme);
}

// Calls `launch_with(kernel)` with the kernel whose registers suffice for so many raters.
template <class Four, class Eight, class Sixteen, class Launch>
void with_room_for(int raters, Four four, Eight eight, Sixteen sixteen, const Launch& launch_with) {
    if (raters <= 4)
        launch_with(four);
    else if (raters <= 8)
        launch_with(eight);
    else
        launch_with(sixteen);
}

} // namespace

template <class T>
void expect(const Columns& columns, const Rates<T>& rates, Step step, double* sums, void* consensus,
            bool wide, double* extreme, const Place& place) {
    const int blocks = blocks_for(place, columns.voxels / (quad * block_threads) + 1);
    const int all = product_sums(columns.raters);
    Array<double> part(place, static_cast<std::size_t>(all) * static_cast<std::size_t>(blocks));
    Array<double> ends(place, 2 * static_cast<std::size_t>(blocks));
    with_room_for(columns.raters, expect_voxels<T, 4>, expect_voxels<T, 8>, expect_voxels<T, 16>,
                  [&](auto kernel) {
                      launch(kernel, blocks, place, "an E-step", columns, rates, step, part.data(), consensus,
                             wide, ends.data());
                  });
    add_parts(part.data(), all, blocks, sums, place);
    if (consensus) find_extremes(ends.data(), blocks, extreme, place);
}

void inspect(const Columns& columns, double* sums, double* extreme, Count* stray, Count* stray_mask,
             const Place& place) {
    const int blocks = blocks_for(place, columns.voxels / (quad * block_threads) + 1);
    const int all = inspected_sums(columns.raters);
    Array<double> part(place, static_cast<std::size_t>(all) * static_cast<std::size_t>(blocks));
    Array<double> ends(place, 2 * static_cast<std::size_t>(blocks));
    with_room_for(columns.raters, inspect_voxels<4>, inspect_voxels<8>, inspect_voxels<16>, [&](auto kernel) {
        launch(kernel, blocks, place, "looking at the votes", columns, part.data(), ends.data(), stray,
               stray_mask);
    });
    add_parts(part.data(), all, blocks, sums, place);
    find_extremes(ends.data(), blocks, extreme, place);
}

template void expect(const Columns&, const Rates<float>&, Step, double*, void*, bool, double*, const Place&);
template void expect(const Columns&, const Rates<double>&, Step, double*, void*, bool, double*, const Place&);

} // namespace fastfuse::cuda
