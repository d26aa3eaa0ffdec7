// First pass over the votes: checks and sums. CPU counterpart: engines/lanes/inspect.hpp.
#include "cuda/sums.cuh"
#include "cuda/votes.cuh"

namespace fastfuse::cuda {
namespace {

__device__ bool may_be(double vote, bool binary) {
    return binary ? vote == 0 || vote == 1 : vote >= 0 && vote <= 1; // not nan
}

// Blocks of a multiprocessor: what the registers suffice for.
template <class T, int most> constexpr int at_once = sizeof(T) == 4 && most <= 8 ? 2 : 1;
constexpr int most_at_once = 2;

// With the sums of the mean vote w.
template <class T, int most>
__global__ void FASTFUSE_BLOCKS((at_once<T, most>))
    inspect_quads(Columns columns, bool binary, double* part, double* extreme, Strays* strays) {
    double sum[inspected_sums(most)] = {}, mean[mean_sums(most)] = {};
    Extremes extremes;
    for (std::int64_t first = first_quad(); first < columns.voxels; first += quads_apart()) {
        T vote[most][quad], weight[quad], w[quad] = {}, u[quad] = {}, fractions[quad] = {};
        bool yes[quad] = {}, no[quad] = {};
        for_raters<most>(columns.raters, [&](int i) { read_quad(columns, i, first, vote[i]); });
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k) {
            if (first + k < columns.voxels) note_stray_mask(columns, first + k, strays);
            weight[k] = counts(columns, first + k) ? 1 : 0;
        }
        for_raters<most>(columns.raters, [&](int i) {
            T marked[quad], unmarked[quad];
            FASTFUSE_UNROLL
            for (int k = 0; k < quad; ++k) {
                const T q = weight[k] != 0 ? vote[i][k] : T(0);
                if (weight[k] != 0) {
                    if (!may_be(q, binary)) note_stray(columns, first + k, i, strays);
                    extremes.add(q);
                }
                vote[i][k] = marked[k] = q;
                unmarked[k] = weight[k] - q;
                fractions[k] += q * unmarked[k];
                yes[k] |= q != 0;
                no[k] |= unmarked[k] != 0;
                w[k] += q;
                u[k] += unmarked[k];
            }
            sum[fixed_findings + 2 * i] += over_quad(marked);
            sum[fixed_findings + 2 * i + 1] += over_quad(unmarked);
        });
        T disputed[quad];
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k) {
            disputed[k] = yes[k] && no[k] ? 1 : 0;
            w[k] /= T(columns.raters);
            u[k] /= T(columns.raters);
        }
        sum[0] += over_quad(weight);
        sum[1] += over_quad(disputed);
        sum[2] += over_quad(fractions);
        mean[0] += over_quad(w);
        mean[1] += over_quad(u);
        for_raters<most>(columns.raters, [&](int i) {
            T missed[quad], extra[quad];
            FASTFUSE_UNROLL
            for (int k = 0; k < quad; ++k) {
                missed[k] = w[k] * (weight[k] - vote[i][k]);
                extra[k] = u[k] * vote[i][k];
            }
            mean[2 + 2 * i] += over_quad(missed);
            mean[3 + 2 * i] += over_quad(extra);
        });
    }
    leave_sums(sum, inspected_sums(columns.raters), part);
    leave_sums(mean, mean_sums(columns.raters),
               part + static_cast<std::int64_t>(inspected_sums(columns.raters)) * gridDim.x);
    leave_extremes(extremes, extreme);
}

// For any number of raters, without the mean vote.
__global__ void inspect_many(Columns columns, bool binary, double* part, double* extreme, Strays* strays) {
    double sum[inspected_sums(most_raters)] = {};
    Extremes extremes;
    for (std::int64_t voxel = first_voxel(); voxel < columns.voxels; voxel += voxels_apart()) {
        note_stray_mask(columns, voxel, strays);
        if (!counts(columns, voxel)) continue;
        bool yes = false, no = false;
        for (int i = 0; i < columns.raters; ++i) {
            const double q = read_vote(columns, i, voxel);
            if (!may_be(q, binary)) note_stray(columns, voxel, i, strays);
            yes |= q != 0;
            no |= q != 1;
            sum[2] += q * (1 - q);
            sum[fixed_findings + 2 * i] += q;
            sum[fixed_findings + 2 * i + 1] += 1 - q;
            extremes.add(q);
        }
        sum[0] += 1;
        sum[1] += yes && no ? 1 : 0;
    }
    leave_many_sums(sum, inspected_sums(columns.raters), part);
    leave_extremes(extremes, extreme);
}

using Kernel = void (*)(Columns, bool, double*, double*, Strays*);

template <class T> Kernel quads_of(int raters) {
    return raters <= 4 ? inspect_quads<T, 4> : raters <= 8 ? inspect_quads<T, 8> : inspect_quads<T, 16>;
}

} // namespace

void inspect(const Columns& columns, bool binary, bool fine, double* sums, Strays* strays, Scratch& scratch) {
    const bool many = columns.raters > most_dense_raters;
    const int blocks = blocks_for(scratch.place(), columns.voxels / (quad * block_threads) + 1, most_at_once);
    const Parts parts(inspected_sums(columns.raters) + (many ? 0 : mean_sums(columns.raters)), blocks,
                      scratch);
    const bool narrow = !fine && (columns.floats || columns.bytes);
    const Kernel kernel = many     ? inspect_many
                          : narrow ? quads_of<float>(columns.raters)
                                   : quads_of<double>(columns.raters);
    launch(kernel, blocks, scratch.place(), "looking at the votes", columns, binary, parts.sums(),
           parts.extremes(), strays);
    parts.add_up(sums);
}

} // namespace fastfuse::cuda
