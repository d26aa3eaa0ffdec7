// The masses of the 2^m binary patterns of at most eight raters, in one pass; see masses.cu.
//
// Each thread reads its own voxels, and holds a table of all patterns of the first seven raters, or of the
// first six. Of eight raters, warps take turns: one adds what the eighth marked, the next what they did not.
#include "cuda/masses/products.cuh"
#include "cuda/sums.cuh"

namespace fastfuse::cuda {
namespace {

constexpr int low_raters = 3, rows = 1 << low_raters;
constexpr int warp_threads = 32, warps = block_threads / warp_threads;
constexpr int staged = 16;        // entries that a block adds up at a time
constexpr int blocks_at_once = 2; // of a multiprocessor

// Adds the threads' floats to the doubles of their warps, total[entry · warps + warp].
template <int entries> __device__ void flush(float (&sum)[entries], double* total) {
    __shared__ float stage[staged * block_threads];
    const int thread = static_cast<int>(threadIdx.x);
    const int entry = thread / warps, warp = thread % warps; // that this thread adds up
    FASTFUSE_UNROLL
    for (int from = 0; from < entries; from += staged) {
        FASTFUSE_UNROLL
        for (int k = 0; k < staged; ++k) {
            stage[k * block_threads + thread] = sum[from + k];
            sum[from + k] = 0;
        }
        __syncthreads();
        if (entry < staged) {
            const float* own = stage + entry * block_threads + warp * warp_threads;
            double found = 0;
            for (int j = 0; j < warp_threads; ++j) // neighbours begin at different banks
                found += static_cast<double>(own[(j + thread) % warp_threads]);
            total[(from + entry) * warps + warp] += found;
        }
        __syncthreads();
    }
}

// `high`: raters of the high half. `turns`: 2 if there is an eighth rater.
template <int high, int turns> __global__ void find_masses_of(Columns columns, bool again, double* part) {
    constexpr int most = low_raters + high, entries = rows << high;
    __shared__ double total[entries * warps];
    for (int k = static_cast<int>(threadIdx.x); k < entries * warps; k += block_threads)
        total[k] = 0;
    const int warp = static_cast<int>(threadIdx.x) / warp_threads, turn = warp % turns;
    const int mine = warp / turns * warp_threads + static_cast<int>(threadIdx.x) % warp_threads;
    constexpr int streams = block_threads / turns; // threads with voxels of their own
    const std::int64_t apart = static_cast<std::int64_t>(gridDim.x) * streams * quad;

    float sum[entries] = {};
    int since_flush = 0;
    for (std::int64_t base = static_cast<std::int64_t>(blockIdx.x) * streams * quad; base < columns.voxels;
         base += apart) { // all threads of the block alike
        const std::int64_t first = base + mine * quad;
        float vote[most + turns - 1][quad] = {};
        if (first < columns.voxels) {
            FASTFUSE_UNROLL
            for (int j = 0; j < most + turns - 1; ++j)
                if (j < columns.raters) read_quad(columns, j, first, vote[j]);
        }
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k) {
            float weight = weight_of(columns, again, first + k);
            if (turns == 2) weight *= turn == 1 ? vote[most][k] : 1 - vote[most][k];
            float q[most], u[rows], v[1 << high];
            FASTFUSE_UNROLL
            for (int j = 0; j < most; ++j)
                q[j] = vote[j][k];
            branch<low_raters>(q, weight, u);
            branch<high>(q + low_raters, 1.0F, v);
            FASTFUSE_UNROLL
            for (int b = 0; b < entries; ++b)
                sum[b] += u[b % rows] * v[b / rows]; // eq. (8)
        }
        since_flush += quad;
        if (since_flush < voxels_between_mass_flushes) continue;
        flush(sum, total);
        since_flush = 0;
    }
    flush(sum, total);
    for (int k = static_cast<int>(threadIdx.x); k < entries * turns; k += block_threads) {
        double found = 0;
        for (int w = k / entries; w < warps; w += turns)
            found += total[k % entries * warps + w];
        if (k < 1 << columns.raters) part[static_cast<std::int64_t>(k) * gridDim.x + blockIdx.x] = found;
    }
}

} // namespace

void find_masses_of_few(const Columns& columns, bool again, double* mass, Scratch& scratch) {
    const Place& place = scratch.place();
    const std::int64_t quads = columns.voxels / quad + 1;
    const int blocks = blocks_for(place, quads / block_threads + 1, blocks_at_once);
    const std::int64_t patterns = std::int64_t{1} << columns.raters;
    double* part = scratch.doubles(static_cast<std::size_t>(patterns) * static_cast<std::size_t>(blocks));
    const auto kernel = columns.raters <= 6   ? find_masses_of<3, 1>
                        : columns.raters == 7 ? find_masses_of<4, 1>
                                              : find_masses_of<4, 2>;
    launch(kernel, blocks, place, "gathering masses", columns, again, part);
    add_parts(part, patterns, blocks, mass, place);
}

} // namespace fastfuse::cuda
