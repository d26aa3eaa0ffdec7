// The consensus of soft-STAPLE from the posterior of the 2^m binary patterns. CPU counterpart:
// engines/lanes/masses/masses.hpp.
//
//   w_t      Σ_B q_t(B) p(1|B)                                  eq. (9)
//
// q_t(B) is a product of the low raters' part, held in registers, of the middle raters' and of the others'.
#include "cuda/masses/products.cuh"
#include "cuda/sums.cuh"

namespace fastfuse::cuda {
namespace {

constexpr int low_raters = 4, low_patterns = 1 << low_raters;

// A value above 1 is so by rounding alone.
template <class T> __device__ T at_most_one(T value) { return value < T(1) ? value : T(1); }

// --- at most eight raters ---

// p(1|B) among a kernel's parameters, which arithmetic reads at no cost.
struct Posterior {
    float of[1 << most_few];
};

constexpr int pair = 2;                    // voxels of a thread at once
constexpr int voxels_between_flushes = 16; // of sums, from floats to doubles

template <int most> struct VoxelSums {
    float now[mixed_sums(most)] = {};
    double sum[mixed_sums(most)] = {};

    __device__ void add(float w, const float (&q)[most]) {
        now[0] += w;
        FASTFUSE_UNROLL
        for (int i = 0; i < most; ++i) {
            now[1 + 2 * i] += w * q[i];
            now[2 + 2 * i] += (1 - w) * (1 - q[i]);
        }
    }
    __device__ void flush() {
        FASTFUSE_UNROLL
        for (int s = 0; s < mixed_sums(most); ++s) {
            sum[s] += static_cast<double>(now[s]);
            now[s] = 0;
        }
    }
};

// `middle`: raters beyond the low ones.
template <int middle> __device__ float mix_one(const float* q, const Posterior& posterior) {
    float low[low_patterns], mid[1 << middle], found = 0;
    branch<low_raters>(q, 1.0F, low);
    branch<middle>(q + low_raters, 1.0F, mid);
    FASTFUSE_UNROLL
    for (int h = 0; h < 1 << middle; ++h) {
        float inside = 0;
        FASTFUSE_UNROLL
        for (int l = 0; l < low_patterns; ++l)
            inside += posterior.of[h * low_patterns + l] * low[l];
        found += mid[h] * inside; // eq. (9)
    }
    return at_most_one(found);
}

template <int middle>
__global__ void FASTFUSE_BLOCKS(2)
    mix_few(Columns columns, Posterior posterior, Consensus to, double* part, double* extreme) {
    constexpr int most = low_raters + middle;
    VoxelSums<most> sums;
    Extremes extremes;
    int since_flush = 0;
    for (std::int64_t first = blockIdx.x * block_threads * std::int64_t{pair} + threadIdx.x;
         first < columns.voxels; first += voxels_apart() * pair) {
        float vote[pair][most];
        read_votes(columns, first, block_threads, vote);
        FASTFUSE_UNROLL
        for (int k = 0; k < pair; ++k) {
            const std::int64_t voxel = first + k * block_threads;
            if (skips(columns, voxel, to)) continue;
            const float w = mix_one<middle>(vote[k], posterior);
            extremes.add(w);
            sums.add(w, vote[k]);
            if (to.data) put(to, voxel, w);
        }
        since_flush += pair;
        if (since_flush < voxels_between_flushes) continue;
        sums.flush();
        since_flush = 0;
    }
    sums.flush();
    leave_sums(sums.sum, mixed_sums(columns.raters), part);
    leave_extremes(extremes, extreme);
}

// --- any number ---

constexpr int shared_posterior = 4096; // of p(1|B), a strip of the table
template <class T>
constexpr int together = sizeof(T) == 4 ? 4 : 1; // voxels of a thread, limited by registers

template <class T> __device__ void load_strip(const T* posterior, int size, int patterns, T* strip) {
    __syncthreads(); // before the previous strip is overwritten
    for (int b = static_cast<int>(threadIdx.x); b < size; b += block_threads)
        strip[b] = b < patterns ? posterior[b] : T(0);
    __syncthreads();
}

// Votes and products of a thread's voxels. `middle`: raters between the low ones and the others.
template <class T, int middle> struct Products {
    static constexpr int many = together<T>, others = most_dense_raters - low_raters - middle;
    T low[many][low_patterns], mid[many][1 << middle], vote[many][others];

    // Voxel k of the thread is at first + k · block_threads.
    __device__ void take(const Columns& columns, std::int64_t first) {
        T q[many][most_dense_raters];
        read_votes(columns, first, block_threads, q);
        FASTFUSE_UNROLL
        for (int k = 0; k < many; ++k) {
            branch<low_raters>(q[k], T(1), low[k]);
            branch<middle>(q[k] + low_raters, T(1), mid[k]);
            FASTFUSE_UNROLL
            for (int i = 0; i < others; ++i)
                vote[k][i] = q[k][low_raters + middle + i];
        }
    }

    // Σ over the low and the middle raters' patterns.
    __device__ void mix(const T* posterior, T (&found)[many]) const {
        FASTFUSE_UNROLL
        for (int h = 0; h < 1 << middle; ++h) {
            T inside[many] = {};
            FASTFUSE_UNROLL
            for (int l = 0; l < low_patterns; l += quad) {
                const Four<T> p = *reinterpret_cast<const Four<T>*>(posterior + h * low_patterns + l);
                FASTFUSE_UNROLL
                for (int j = 0; j < quad; ++j)
                    FASTFUSE_UNROLL
                for (int k = 0; k < many; ++k)
                    inside[k] += p.value[j] * low[k][l + j];
            }
            FASTFUSE_UNROLL
            for (int k = 0; k < many; ++k)
                found[k] += mid[k][h] * inside[k];
        }
    }

    // The other raters' part, where they vote as the bits of `high` say.
    __device__ T weight(int k, int high, int raters) const {
        T weight = 1;
        FASTFUSE_UNROLL
        for (int i = 0; i < others; ++i)
            if (low_raters + middle + i < raters) weight *= high >> i & 1 ? vote[k][i] : 1 - vote[k][i];
        return weight;
    }
};

// w of the thread's voxels, one strip of p(1|B) after another.
template <class T, int middle>
__global__ void mix_voxels(Columns columns, const T* posterior, Consensus to, double* part, double* extreme) {
    constexpr int inner = low_patterns << middle, many = together<T>;
    alignas(16) __shared__ T strip[shared_posterior];
    const int patterns = 1 << columns.raters;
    const int strip_size =
        patterns < shared_posterior ? (patterns < inner ? inner : patterns) : shared_posterior;
    const int strips = patterns <= strip_size ? 1 : patterns / strip_size;
    double sum[mixed_sums(most_dense_raters)] = {};
    Extremes extremes;
    const std::int64_t at_once = static_cast<std::int64_t>(block_threads) * many;
    for (std::int64_t base = blockIdx.x * at_once; base < columns.voxels; base += gridDim.x * at_once) {
        const std::int64_t first = base + threadIdx.x;
        Products<T, middle> products;
        products.take(columns, first);
        double w[many] = {};
        for (int s = 0; s < strips; ++s) {
            load_strip(posterior + s * strip_size, strip_size, patterns - s * strip_size, strip);
            for (int outer = 0; outer < strip_size / inner; ++outer) {
                T found[many] = {};
                products.mix(strip + outer * inner, found);
                const int high = s * (strip_size / inner) + outer; // the other raters' bits
                FASTFUSE_UNROLL
                for (int k = 0; k < many; ++k)
                    w[k] +=
                        static_cast<double>(products.weight(k, high, columns.raters) * found[k]); // eq. (9)
            }
        }
        T vote[many][most_dense_raters]; // once more: they would take the registers meanwhile
        read_votes(columns, first, block_threads, vote);
        FASTFUSE_UNROLL
        for (int k = 0; k < many; ++k) {
            const std::int64_t voxel = first + k * block_threads;
            if (skips(columns, voxel, to)) continue;
            w[k] = at_most_one(w[k]);
            if (to.data) put(to, voxel, w[k]);
            extremes.add(w[k]);
            sum[0] += w[k];
            FASTFUSE_UNROLL
            for (int i = 0; i < most_dense_raters; ++i) {
                const double q = static_cast<double>(vote[k][i]);
                sum[1 + 2 * i] += w[k] * q;
                sum[2 + 2 * i] += (1 - w[k]) * (1 - q);
            }
        }
    }
    leave_sums(sum, mixed_sums(columns.raters), part);
    leave_extremes(extremes, extreme);
}

} // namespace

void mix_of_few(const Columns& columns, const std::vector<double>& p, const Consensus& to, double* sums,
                Scratch& scratch) {
    const int blocks = blocks_for(scratch.place(), columns.voxels / (pair * block_threads) + 1);
    const Parts parts(mixed_sums(columns.raters), blocks, scratch);
    Posterior posterior{};
    for (std::size_t b = 0; b < p.size(); ++b)
        posterior.of[b] = static_cast<float>(p[b]);
    const int others = columns.raters - low_raters;
    const auto kernel = others <= 0   ? mix_few<0>
                        : others == 1 ? mix_few<1>
                        : others == 2 ? mix_few<2>
                        : others == 3 ? mix_few<3>
                                      : mix_few<4>;
    launch(kernel, blocks, scratch.place(), "mixing the consensus", columns, posterior, to, parts.sums(),
           parts.extremes());
    parts.add_up(sums);
}

template <class T>
void mix_of_many(const Columns& columns, const std::vector<double>& p, const Consensus& to, double* sums,
                 Scratch& scratch) {
    const int blocks = blocks_for(scratch.place(), columns.voxels / (together<T> * block_threads) + 1);
    const Parts parts(mixed_sums(columns.raters), blocks, scratch);
    const Array<T> posterior(scratch.place(), std::vector<T>(p.begin(), p.end()));
    const auto kernel = columns.raters <= low_raters ? mix_voxels<T, 0> : mix_voxels<T, 4>;
    launch(kernel, blocks, scratch.place(), "mixing the consensus", columns, posterior.data(), to,
           parts.sums(), parts.extremes());
    parts.add_up(sums);
    wait(scratch.place(), "mixing the consensus"); // the table is given back now
}

void mix(const Columns& columns, const std::vector<double>& posterior, bool fine, const Consensus& to,
         double* sums, Scratch& scratch) {
    const auto mix_all = fine                         ? mix_of_many<double>
                         : columns.raters <= most_few ? mix_of_few
                                                      : mix_of_many<float>;
    mix_all(columns, posterior, to, sums, scratch);
}

} // namespace fastfuse::cuda
