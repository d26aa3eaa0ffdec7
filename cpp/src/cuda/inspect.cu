// First pass over the votes: checks and sums. CPU counterpart: engines/lanes/inspect.hpp.
#include "cuda/sums.cuh"
#include "cuda/votes.cuh"

namespace fastfuse::cuda {
namespace {

__device__ bool may_be(double vote, bool binary) {
    return binary ? vote == 0 || vote == 1 : vote >= 0 && vote <= 1; // not nan
}

template <int most>
__global__ void inspect_voxels(Columns columns, bool binary, double* part, double* extreme, Strays* strays) {
    double sum[inspected_sums(most)] = {};
    Extremes extremes;
    for (std::int64_t first = first_quad(); first < columns.voxels; first += quads_apart()) {
        bool yes[quad] = {}, no[quad] = {};
        for_raters<most>(columns.raters, [&](int i) {
            double vote[quad];
            read_quad(columns, i, first, vote);
            FASTFUSE_UNROLL
            for (int k = 0; k < quad; ++k) {
                if (!counts(columns, first + k)) continue;
                if (!may_be(vote[k], binary)) note_stray(columns, first + k, i, strays);
                yes[k] |= vote[k] != 0;
                no[k] |= vote[k] != 1;
                sum[fixed_findings + 3 * i] += vote[k];
                sum[fixed_findings + 3 * i + 1] += vote[k] * (1 - vote[k]);
                sum[fixed_findings + 3 * i + 2] += 1 - vote[k];
                extremes.add(vote[k]);
            }
        });
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k) {
            if (first + k >= columns.voxels) continue;
            note_stray_mask(columns, first + k, strays);
            if (!counts(columns, first + k)) continue;
            sum[0] += 1;
            sum[1] += yes[k] && no[k] ? 1 : 0;
        }
    }
    leave_sums(sum, inspected_sums(columns.raters), part);
    leave_extremes(extremes, extreme);
}

} // namespace

void inspect(const Columns& columns, bool binary, double* sums, Strays* strays, Scratch& scratch) {
    const int blocks = blocks_for(scratch.place(), columns.voxels / (quad * block_threads) + 1);
    const Parts parts(inspected_sums(columns.raters), blocks, scratch);
    const auto kernel = columns.raters <= 4    ? inspect_voxels<4>
                        : columns.raters <= 8  ? inspect_voxels<8>
                        : columns.raters <= 16 ? inspect_voxels<16>
                                               : inspect_voxels<most_raters>;
    launch(kernel, blocks, scratch.place(), "looking at the votes", columns, binary, parts.sums(),
           parts.extremes(), strays);
    parts.add_up(sums);
}

} // namespace fastfuse::cuda
