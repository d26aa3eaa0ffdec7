// The masses of the 2^m binary patterns, in one pass. CPU counterparts: em/masses.cpp and
// engines/lanes/masses/masses.hpp.
//
//   q_t(B)   weight of binary pattern B in the soft votes of voxel t, Π_i q_it(b_i)
//   N(B)     mass of B in the volume, Σ_t q_t(B)                eq. (8)
//
// q_t(B) is a product u_t(low bits) v_t(high bits), so that N is a product of matrices, Uᵀ V, summed over
// voxels. Of more than eight raters, a block processes voxels in chunks: all its threads write u and v of the
// chunk to shared memory; then each team of threads adds its voxels' u v to its table, 8 × 8 entries a
// thread. Raters beyond two halves make strips. Sums over a thousand voxels are floats, longer ones doubles.
#include "cuda/masses/products.cuh"
#include "cuda/sums.cuh"

namespace fastfuse::cuda {
namespace {

constexpr int tile_raters = 3, tile = 1 << tile_raters; // the sides of a thread's part of the table
constexpr int entries = tile * tile;
constexpr int most_half = 6;          // raters of a half
constexpr int padding = 4;            // floats behind a row, for threads to reach different banks
constexpr int shared_products = 9216; // floats: u and v of a chunk
constexpr int shared_votes = 1536;    // its votes
constexpr int most_chunk = 160;       // voxels of a chunk
constexpr int blocks_at_once = 2;     // of a multiprocessor

// Layout of the patterns' bits: the low half, the high half, the strip.
struct Layout {
    int low, high, strip; // raters
    int chunk;            // voxels, a multiple of the threads of a warp
    int team;             // threads

    FASTFUSE_HOST_DEVICE int rows() const { return 1 << low; }
    FASTFUSE_HOST_DEVICE int columns() const { return 1 << high; }
    FASTFUSE_HOST_DEVICE int raters() const { return low + high + strip; }
    FASTFUSE_HOST_DEVICE int teams() const { return block_threads / team; }
};

Layout layout_for(int raters) {
    Layout layout{};
    layout.low = raters / 2 < most_half ? raters / 2 : most_half;
    layout.high = raters - layout.low < most_half ? raters - layout.low : most_half;
    layout.strip = raters - layout.low - layout.high;
    layout.team = layout.rows() / tile * (layout.columns() / tile);
    int chunk = shared_products / (layout.rows() + layout.columns() + 2 * padding);
    chunk = chunk < shared_votes / raters ? chunk : shared_votes / raters;
    chunk = chunk < most_chunk ? chunk : most_chunk;
    layout.chunk = chunk / 32 * 32;
    return layout;
}

// Where a thread's entry k lies in a half: two runs of four, so that neighbours read neighbouring memory.
__device__ int place_in_half(int member, int k, int size) {
    return k / quad * (size / 2) + member * quad + k % quad;
}

// The votes of a chunk's voxels, and each voxel's weight, on their way while another chunk is at work.
struct Coming {
    static constexpr int most = shared_votes / block_threads;
    float vote[most], root;

    __device__ void fetch(const Columns& columns, bool again, const Layout& layout, std::int64_t first) {
        const auto read_all = [&](const auto& read) {
            FASTFUSE_UNROLL
            for (int n = 0; n < most; ++n) {
                const int k = n * block_threads + static_cast<int>(threadIdx.x), j = k / layout.chunk;
                const std::int64_t voxel = first + k - j * layout.chunk;
                vote[n] =
                    j < layout.raters() && counts(columns, voxel) ? static_cast<float>(read(j, voxel)) : 0;
            }
        };
        by_type(columns, read_all);
        root =
            static_cast<int>(threadIdx.x) < layout.chunk ? weight_of(columns, again, first + threadIdx.x) : 0;
    }
    __device__ void leave(const Layout& layout, float* votes, float* roots) const {
        FASTFUSE_UNROLL
        for (int n = 0; n < most; ++n)
            votes[n * block_threads + threadIdx.x] = vote[n];
        if (static_cast<int>(threadIdx.x) < layout.chunk) roots[threadIdx.x] = root;
    }
};

__device__ float factor(float vote, int bit) { return bit ? vote : 1 - vote; }

// Writes the products of a half, eight patterns a thread that differ in its first three raters alone. Threads
// of a warp have the same patterns, of different voxels.
template <class Root>
__device__ void write_products(const float* vote, const Layout& layout, int raters, const Root& root,
                               float* product) {
    const int row = (1 << raters) + padding;
    FASTFUSE_UNROLL_BY(1) // registers are for the table
    for (int k = static_cast<int>(threadIdx.x); k < layout.chunk << (raters - tile_raters);
         k += block_threads) {
        const int group = k / layout.chunk, voxel = k - group * layout.chunk;
        float others = root(voxel);
        FASTFUSE_UNROLL_BY(1)
        for (int j = tile_raters; j < raters; ++j)
            others *= factor(vote[j * layout.chunk + voxel], group >> (j - tile_raters) & 1);
        float q[tile_raters], products[tile];
        FASTFUSE_UNROLL
        for (int j = 0; j < tile_raters; ++j)
            q[j] = vote[j * layout.chunk + voxel];
        branch<tile_raters>(q, others, products);
        Four<float>* to = reinterpret_cast<Four<float>*>(product + voxel * row + group * tile);
        FASTFUSE_UNROLL
        for (int b = 0; b < tile; ++b)
            to[b / quad].value[b % quad] = products[b];
    }
}

// Adds a voxel's u v to the thread's part of the table.
__device__ void add_products(const float* u, const float* v, const Layout& layout, float (&sum)[entries]) {
    float a[tile], b[tile];
    FASTFUSE_UNROLL
    for (int half = 0; half < 2; ++half) {
        const Four<float> of_u = *reinterpret_cast<const Four<float>*>(u + half * layout.rows() / 2);
        const Four<float> of_v = *reinterpret_cast<const Four<float>*>(v + half * layout.columns() / 2);
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k) {
            a[half * quad + k] = of_u.value[k];
            b[half * quad + k] = of_v.value[k];
        }
    }
    FASTFUSE_UNROLL
    for (int k = 0; k < entries; ++k)
        sum[k] += a[k % tile] * b[k / tile]; // eq. (8)
}

// Adds floats to the thread's doubles in `total`, `apart` from one entry to the next.
__device__ void flush(float (&sum)[entries], double* total, std::int64_t apart, bool first) {
    FASTFUSE_UNROLL
    for (int k = 0; k < entries; ++k) {
        total[k * apart] = (first ? 0 : total[k * apart]) + static_cast<double>(sum[k]);
        sum[k] = 0;
    }
}

// Leaves the part of every thread in `part`, entry after entry.
__global__ void FASTFUSE_BLOCKS(blocks_at_once)
    find_masses_of(Columns columns, bool again, Layout layout, int shares, double* part) {
    __shared__ float vote[shared_votes];
    __shared__ float root[most_chunk];
    alignas(16) __shared__ float product[shared_products];
    const int strip = static_cast<int>(blockIdx.x) / shares, share = static_cast<int>(blockIdx.x) % shares;
    const int team = static_cast<int>(threadIdx.x) / layout.team,
              member = static_cast<int>(threadIdx.x) % layout.team;
    const int u_row = layout.rows() + padding, v_row = layout.columns() + padding;
    float* const u = product;
    float* const v = product + layout.chunk * u_row;
    const float* const my_u = u + member % (layout.rows() / tile) * quad;
    const float* const my_v = v + member / (layout.rows() / tile) * quad;
    const auto root_of = [&](int voxel) {
        float weight = root[voxel];
        FASTFUSE_UNROLL_BY(1)
        for (int j = 0; j < layout.strip; ++j)
            weight *= factor(vote[(layout.low + layout.high + j) * layout.chunk + voxel], strip >> j & 1);
        return weight;
    };
    const std::int64_t apart = static_cast<std::int64_t>(gridDim.x) * block_threads;
    double* const total = part + first_voxel();

    float sum[entries] = {};
    int since_flush = 0;
    bool first_flush = true;
    const std::int64_t chunks = (columns.voxels + layout.chunk - 1) / layout.chunk;
    Coming coming;
    coming.fetch(columns, again, layout, share * layout.chunk);
    for (std::int64_t c = share; c < chunks; c += shares) {
        coming.leave(layout, vote, root);
        __syncthreads();
        write_products(vote, layout, layout.low, root_of, u);
        write_products(vote + layout.low * layout.chunk, layout, layout.high, [](int) { return 1.0F; }, v);
        __syncthreads();
        coming.fetch(columns, again, layout, (c + shares) * layout.chunk);
        FASTFUSE_UNROLL_BY(1)
        for (int voxel = team; voxel < layout.chunk; voxel += layout.teams())
            add_products(my_u + voxel * u_row, my_v + voxel * v_row, layout, sum);
        since_flush += layout.chunk / layout.teams() + 1;
        if (since_flush >= voxels_between_mass_flushes) {
            flush(sum, total, apart, first_flush);
            first_flush = false;
            since_flush = 0;
        }
        __syncthreads();
    }
    flush(sum, total, apart, first_flush);
}

// Adds up the parts of all shares and teams. Threads of a warp read neighbouring memory; the warps of a block
// share the work.
__global__ void collect_masses(Layout layout, int shares, std::int64_t patterns, const double* part,
                               double* mass) {
    __shared__ double found[block_threads];
    constexpr int together = 32, warps = block_threads / together;
    const int lane = static_cast<int>(threadIdx.x) % together,
              warp = static_cast<int>(threadIdx.x) / together;
    const std::int64_t apart = static_cast<std::int64_t>(shares << layout.strip) * block_threads;
    const std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * together + lane;
    const int member = static_cast<int>(item % layout.team),
              k = static_cast<int>(item / layout.team % entries),
              strip = static_cast<int>(item / (layout.team * entries));
    double sum = 0;
    if (item < patterns) FASTFUSE_UNROLL_BY(4)
    for (int j = warp; j < shares * layout.teams(); j += warps)
        sum += part[k * apart +
                    (static_cast<std::int64_t>(strip) * shares + j / layout.teams()) * block_threads +
                    j % layout.teams() * layout.team + member];
    found[threadIdx.x] = sum;
    __syncthreads();
    if (warp > 0 || item >= patterns) return;
    for (int w = 1; w < warps; ++w)
        sum += found[w * together + lane];
    const int in_row = layout.rows() / tile;
    const int row = place_in_half(member % in_row, k % tile, layout.rows()),
              column = place_in_half(member / in_row, k / tile, layout.columns());
    mass[(static_cast<std::int64_t>(strip) * layout.columns() + column) * layout.rows() + row] = sum;
}

void find_masses_of_many(const Columns& columns, bool again, double* mass, Scratch& scratch) {
    const Place& place = scratch.place();
    const Layout layout = layout_for(columns.raters);
    const int strips = 1 << layout.strip;
    const std::int64_t chunks = columns.voxels / layout.chunk + 1;
    const int blocks = blocks_for(place, chunks * strips, blocks_at_once);
    const int shares = blocks / strips > 0 ? blocks / strips : 1;
    const std::int64_t patterns = std::int64_t{1} << columns.raters;
    const auto threads = static_cast<std::size_t>(strips * shares * block_threads);
    double* part = scratch.doubles(threads * entries);
    launch(find_masses_of, strips * shares, place, "gathering masses", columns, again, layout, shares, part);
    launch(collect_masses, static_cast<int>(patterns / 32), place, "adding up", layout, shares, patterns,
           part, mass);
}

} // namespace

void find_masses(const Columns& columns, bool again, double* mass, Scratch& scratch) {
    columns.raters <= most_few ? find_masses_of_few(columns, again, mass, scratch)
                               : find_masses_of_many(columns, again, mass, scratch);
}

} // namespace fastfuse::cuda
