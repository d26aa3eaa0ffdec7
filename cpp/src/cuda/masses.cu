// soft-STAPLE in one pass: the masses of the 2^m binary patterns, and the consensus from their posterior. CPU
// counterparts: em/masses.cpp and engines/lanes/masses.hpp.
//
//   q_t(B)   weight of binary pattern B in the soft votes of voxel t, Π_i q_it(b_i)
//   N(B)     mass of B in the volume, Σ_t q_t(B)                eq. (8)
//   w_t      Σ_B q_t(B) p(1|B)                                  eq. (9)
//
// q_t(B) is a product u_t(low bits) v_t(high bits), so that N is a product of matrices, Uᵀ V, summed over
// voxels. A block processes voxels in chunks. All its threads write u and v of the chunk to shared memory;
// then each team of threads adds its voxels' u v to its table, 4 × 4 entries a thread. Sums over a few
// hundred voxels are floats, longer ones doubles.
#include "cuda/sums.cuh"
#include "cuda/votes.cuh"

namespace fastfuse::cuda {
namespace {

constexpr int side = 4;                     // of a thread's part of the table
constexpr int most_half = 6;                // raters of a half; raters beyond two halves make strips
constexpr int shared_products = 4096;       // u and v of a chunk
constexpr int shared_votes = 4096;          // its votes
constexpr int most_chunk = 256;             // voxels of a chunk
constexpr int voxels_between_flushes = 256; // of a team, from floats to doubles

// Layout of the patterns' bits: the low half, the high half, the strip. Dummy raters fill up halves of less
// than two raters.
struct Layout {
    int low, high, strip; // raters
    int chunk;            // voxels, a multiple of the teams
    int team;             // threads
};

Layout layout_for(int raters) {
    const int all = raters < 4 ? 4 : raters;
    Layout layout{};
    layout.low = all / 2 < most_half ? all / 2 : most_half;
    layout.high = all - layout.low < most_half ? all - layout.low : most_half;
    layout.strip = all - layout.low - layout.high;
    layout.team = (1 << layout.low) / side * ((1 << layout.high) / side);
    const int teams = block_threads / layout.team;
    const int by_products = shared_products / ((1 << layout.low) + (1 << layout.high));
    const int by_votes = shared_votes / all;
    int chunk = by_products < by_votes ? by_products : by_votes;
    chunk = chunk < most_chunk ? chunk : most_chunk;
    layout.chunk = chunk / teams * teams;
    if (layout.chunk == 0) layout.chunk = chunk; // some teams are idle
    return layout;
}

// Reads the votes of the chunk's voxels, 0 for a dummy, and each voxel's weight: 0 outside the mask, else 1
// or q (1 − q) of rater `again`.
__device__ void load_votes(const Columns& columns, const Listed& listed, const Layout& layout,
                           std::int64_t first, float* vote, float* root) {
    const int all = layout.low + layout.high + layout.strip;
    for (int k = static_cast<int>(threadIdx.x); k < all * layout.chunk; k += block_threads) {
        const int j = k / layout.chunk;
        const std::int64_t voxel = first + k % layout.chunk;
        vote[k] = j < listed.size && counts(columns, voxel)
                      ? static_cast<float>(read_vote(columns, listed.rater[j], voxel))
                      : 0;
    }
    for (int v = static_cast<int>(threadIdx.x); v < layout.chunk; v += block_threads) {
        float weight = counts(columns, first + v) ? 1 : 0;
        if (listed.again >= 0 && weight != 0) {
            const float q = static_cast<float>(read_vote(columns, listed.again, first + v));
            weight = q * (1 - q);
        }
        root[v] = weight;
    }
}

__device__ float factor(float vote, int bit) { return bit ? vote : 1 - vote; }

// Products of four patterns of a half that differ in its first two raters alone.
__device__ void spread(const float* vote, int chunk, int raters, int group, float others, float* product) {
    for (int j = 2; j < raters; ++j)
        others *= factor(vote[j * chunk], group >> (j - 2) & 1);
    for (int b = 0; b < side; ++b)
        product[b] = others * factor(vote[0], b & 1) * factor(vote[chunk], b >> 1);
}

__device__ void flush(float (&sum)[side * side], double (&total)[side * side]) {
    FASTFUSE_UNROLL
    for (int k = 0; k < side * side; ++k) {
        total[k] += static_cast<double>(sum[k]);
        sum[k] = 0;
    }
}

__global__ void find_masses_of(Columns columns, Listed listed, Layout layout, int shares, double* part) {
    __shared__ float vote[shared_votes];
    __shared__ float root[most_chunk];
    alignas(16) __shared__ double memory[shared_products / 2];
    float* product = reinterpret_cast<float*>(memory);
    const int rows = 1 << layout.low, columns_of_v = 1 << layout.high;
    const int strip = static_cast<int>(blockIdx.x) / shares, share = static_cast<int>(blockIdx.x) % shares;
    const int teams = block_threads / layout.team;
    const int team = static_cast<int>(threadIdx.x) / layout.team,
              member = static_cast<int>(threadIdx.x) % layout.team;
    const int row = member % (rows / side) * side, column = member / (rows / side) * side;
    float* const u = product;
    float* const v = product + layout.chunk * rows;

    double total[side * side] = {};
    float sum[side * side] = {};
    int since_flush = 0;
    const std::int64_t chunks = (columns.voxels + layout.chunk - 1) / layout.chunk;
    for (std::int64_t c = share; c < chunks; c += shares) {
        load_votes(columns, listed, layout, c * layout.chunk, vote, root);
        __syncthreads();
        for (int k = static_cast<int>(threadIdx.x); k < layout.chunk * (rows / side); k += block_threads) {
            const int voxel = k / (rows / side), group = k % (rows / side);
            float others = root[voxel];
            for (int j = 0; j < layout.strip; ++j)
                others *= factor(vote[(layout.low + layout.high + j) * layout.chunk + voxel], strip >> j & 1);
            spread(vote + voxel, layout.chunk, layout.low, group, others, u + voxel * rows + group * side);
        }
        for (int k = static_cast<int>(threadIdx.x); k < layout.chunk * (columns_of_v / side);
             k += block_threads) {
            const int voxel = k / (columns_of_v / side), group = k % (columns_of_v / side);
            spread(vote + layout.low * layout.chunk + voxel, layout.chunk, layout.high, group, 1,
                   v + voxel * columns_of_v + group * side);
        }
        __syncthreads();
        for (int voxel = team; voxel < layout.chunk; voxel += teams) {
            const Four<float> a = *reinterpret_cast<const Four<float>*>(u + voxel * rows + row);
            const Four<float> b = *reinterpret_cast<const Four<float>*>(v + voxel * columns_of_v + column);
            FASTFUSE_UNROLL
            for (int k = 0; k < side * side; ++k)
                sum[k] += a.value[k % side] * b.value[k / side]; // eq. (8)
        }
        since_flush += layout.chunk / teams + 1;
        if (since_flush >= voxels_between_flushes) {
            flush(sum, total);
            since_flush = 0;
        }
        __syncthreads();
    }
    flush(sum, total);

    // Adds the teams' tables one after another; a table fits into the memory of u and v.
    const bool fits = teams > 1;
    for (int t = 0; t < teams && fits; ++t) {
        if (team == t) FASTFUSE_UNROLL
        for (int k = 0; k < side * side; ++k) {
            double& entry = memory[(column + k / side) * rows + row + k % side];
            entry = (t == 0 ? 0 : entry) + total[k];
        }
        __syncthreads();
    }
    if (team != 0) return;
    FASTFUSE_UNROLL
    for (int k = 0; k < side * side; ++k) {
        const int at = (column + k / side) * rows + row + k % side;
        const std::int64_t pattern = at + (static_cast<std::int64_t>(strip) << (layout.low + layout.high));
        if (pattern < std::int64_t{1} << listed.size)
            part[pattern * shares + share] = fits ? memory[at] : total[k];
    }
}

constexpr int low_raters = 4, low_patterns = 1 << low_raters; // their products stay in registers
constexpr int shared_posterior = 4096;                        // of p(1|B), a strip of the table
template <class T>
constexpr int together = sizeof(T) == 4 ? 2 : 1; // voxels of a thread, limited by registers

template <int raters, class T> __device__ void branch(const T* vote, T* product) {
    product[0] = 1;
    FASTFUSE_UNROLL
    for (int j = 0; j < raters; ++j)
        FASTFUSE_UNROLL
    for (int b = (1 << raters) / 2 - 1; b >= 0; --b) {
        if (b >> j != 0) continue; // keeps the loop's length constant
        product[b + (1 << j)] = product[b] * vote[j];
        product[b] *= 1 - vote[j];
    }
}

// w of the thread's voxels, one strip of p(1|B) after another. Sums over the low raters' patterns (innermost,
// with products in registers), over the middle raters' patterns, and over those of the other raters.
template <class T, int middle>
__global__ void mix_voxels(Columns columns, const T* posterior, Consensus to, double* part, double* extreme) {
    constexpr int inner = low_patterns << middle, many = together<T>;
    __shared__ T strip[shared_posterior];
    const int patterns = 1 << columns.raters;
    const int strip_size =
        patterns < shared_posterior ? (patterns < inner ? inner : patterns) : shared_posterior;
    const int strips = patterns <= strip_size ? 1 : patterns / strip_size;
    double sum[1 + 2 * most_dense_raters] = {};
    Extremes extremes;
    const std::int64_t at_once = static_cast<std::int64_t>(block_threads) * many;
    for (std::int64_t base = blockIdx.x * at_once; base < columns.voxels; base += gridDim.x * at_once) {
        T vote[many][most_dense_raters], low[many][low_patterns], mid[many][1 << middle];
        T w[many] = {};
        FASTFUSE_UNROLL
        for (int k = 0; k < many; ++k) {
            const std::int64_t voxel = base + k * block_threads + threadIdx.x;
            FASTFUSE_UNROLL
            for (int i = 0; i < most_dense_raters; ++i)
                vote[k][i] = i < columns.raters && counts(columns, voxel)
                                 ? static_cast<T>(read_vote(columns, i, voxel))
                                 : T(0);
            branch<low_raters>(vote[k], low[k]);
            branch<middle>(vote[k] + low_raters, mid[k]);
        }
        for (int s = 0; s < strips; ++s) {
            __syncthreads(); // before the previous strip is overwritten
            for (int b = static_cast<int>(threadIdx.x); b < strip_size; b += block_threads)
                strip[b] = s * strip_size + b < patterns ? posterior[s * strip_size + b] : T(0);
            __syncthreads();
            for (int outer = 0; outer < strip_size / inner; ++outer) {
                T found[many] = {};
                FASTFUSE_UNROLL
                for (int h = 0; h < 1 << middle; ++h) {
                    T inside[many] = {};
                    FASTFUSE_UNROLL
                    for (int l = 0; l < low_patterns; ++l) {
                        const T p = strip[outer * inner + h * low_patterns + l];
                        FASTFUSE_UNROLL
                        for (int k = 0; k < many; ++k)
                            inside[k] += p * low[k][l];
                    }
                    FASTFUSE_UNROLL
                    for (int k = 0; k < many; ++k)
                        found[k] += mid[k][h] * inside[k];
                }
                const int high = s * (strip_size / inner) + outer; // the other raters' bits
                FASTFUSE_UNROLL
                for (int k = 0; k < many; ++k) {
                    T weight = 1;
                    FASTFUSE_UNROLL
                    for (int i = low_raters + middle; i < most_dense_raters; ++i)
                        if (i < columns.raters)
                            weight *= high >> (i - low_raters - middle) & 1 ? vote[k][i] : 1 - vote[k][i];
                    w[k] += weight * found[k]; // eq. (9)
                }
            }
        }
        FASTFUSE_UNROLL
        for (int k = 0; k < many; ++k) {
            const std::int64_t voxel = base + k * block_threads + threadIdx.x;
            if (skips(columns, voxel, to)) continue;
            const double value = w[k] < T(1) ? static_cast<double>(w[k]) : 1; // above 1 by rounding alone
            put(to, voxel, value);
            extremes.add(value);
            sum[0] += value;
            FASTFUSE_UNROLL
            for (int i = 0; i < most_dense_raters; ++i) {
                const double q = static_cast<double>(vote[k][i]);
                sum[1 + 2 * i] += value * q;
                sum[2 + 2 * i] += (1 - value) * (1 - q);
            }
        }
    }
    leave_sums(sum, mixed_sums(columns.raters), part);
    leave_extremes(extremes, extreme);
}

} // namespace

void find_masses(const Columns& columns, const Listed& listed, double* mass, Scratch& scratch) {
    const Place& place = scratch.place();
    const Layout layout = layout_for(listed.size);
    const int strips = 1 << layout.strip;
    const std::int64_t chunks = columns.voxels / layout.chunk + 1;
    const int blocks = blocks_for(place, chunks * strips);
    const int shares = blocks / strips > 0 ? blocks / strips : 1;
    const std::int64_t patterns = std::int64_t{1} << listed.size;
    double* part = scratch.doubles(static_cast<std::size_t>(patterns) * static_cast<std::size_t>(shares));
    launch(find_masses_of, strips * shares, place, "gathering masses", columns, listed, layout, shares, part);
    add_parts(part, patterns, shares, mass, place);
}

template <class T>
void mix(const Columns& columns, const T* posterior, const Consensus& to, double* sums, Scratch& scratch) {
    const int blocks = blocks_for(scratch.place(), columns.voxels / (together<T> * block_threads) + 1);
    const Parts parts(mixed_sums(columns.raters), blocks, scratch);
    const int others = columns.raters - low_raters;
    const auto kernel = others <= 0   ? mix_voxels<T, 0>
                        : others == 1 ? mix_voxels<T, 1>
                        : others == 2 ? mix_voxels<T, 2>
                        : others == 3 ? mix_voxels<T, 3>
                                      : mix_voxels<T, 4>;
    launch(kernel, blocks, scratch.place(), "mixing the consensus", columns, posterior, to, parts.sums(),
           parts.extremes());
    parts.add_up(sums);
}

template void mix(const Columns&, const float*, const Consensus&, double*, Scratch&);
template void mix(const Columns&, const double*, const Consensus&, double*, Scratch&);

} // namespace fastfuse::cuda
