// What the machine allows, for the benches to stand beside.
//
//   copy   one pass that sums the votes of m raters and writes a volume of float by ordinary stores
//   limit  the same by stores that go past the caches
//   peak   multiply-adds a second, from registers
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace {

constexpr std::int64_t block = 4096;

// `to` is a multiple of 16 bytes.
void stream([[maybe_unused]] const float* from, [[maybe_unused]] float* to, [[maybe_unused]] std::int64_t n) {
#ifdef __SSE2__
    for (std::int64_t k = 0; k < n; k += 4)
        _mm_stream_ps(to + k, _mm_loadu_ps(from + k));
    _mm_sfence();
#endif
}

template <bool streams, class Vote>
void copy(const Vote* const* rater, int raters, std::int64_t voxels, float* out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t first = 0; first < voxels; first += block) {
        const std::int64_t n = voxels - first < block ? voxels - first : block;
        std::array<float, block> sum{};
        for (int i = 0; i < raters; ++i)
            for (std::int64_t k = 0; k < n; ++k)
                sum[k] += static_cast<float>(rater[i][first + k]);
        if (streams && n == block && reinterpret_cast<std::uintptr_t>(out) % 16 == 0)
            stream(sum.data(), out + first, n);
        else
            for (std::int64_t k = 0; k < n; ++k)
                out[first + k] = sum[k];
    }
}

#ifdef __AVX512F__
constexpr int lane_bytes = 64;
#else
constexpr int lane_bytes = 32;
#endif

// A second's multiply-adds, each counted as two operations.
template <class T> double peak(int threads) {
    typedef T Lanes __attribute__((vector_size(lane_bytes)));
    constexpr int chains = 12, lanes = lane_bytes / sizeof(T);
    constexpr std::int64_t rounds = 5'000'000;
    double total = 0;
    const auto begin = std::chrono::steady_clock::now();
#pragma omp parallel num_threads(threads) reduction(+ : total)
    {
        Lanes chain[chains], factor = Lanes{} + T(0.999), term = Lanes{} + T(0.001);
        for (int c = 0; c < chains; ++c)
            chain[c] = Lanes{} + T(c);               // or equal chains would be computed once
        asm volatile("" : "+m"(factor), "+m"(term)); // not known when this is compiled
        for (std::int64_t round = 0; round < rounds; ++round)
            for (int c = 0; c < chains; ++c)
                chain[c] = chain[c] * factor + term;
        for (int c = 0; c < chains; ++c)
            for (int k = 0; k < lanes; ++k)
                total += chain[c][k];
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    asm volatile("" : : "m"(total)); // it is wanted
    return 2.0 * chains * lanes * rounds * threads / seconds.count();
}

} // namespace

extern "C" {
#define FASTFUSE_COPY(name, Vote, streams)                                                                   \
    void name(const Vote* const* rater, int raters, std::int64_t voxels, float* out, int threads) {          \
        copy<streams>(rater, raters, voxels, out, threads);                                                  \
    }
FASTFUSE_COPY(copy_u8, std::uint8_t, false)
FASTFUSE_COPY(copy_f32, float, false)
#ifdef __SSE2__
FASTFUSE_COPY(limit_u8, std::uint8_t, true)
FASTFUSE_COPY(limit_f32, float, true)
#else
FASTFUSE_COPY(limit_u8, std::uint8_t, false)
FASTFUSE_COPY(limit_f32, float, false)
#endif
#undef FASTFUSE_COPY
double peak_f32(int threads) { return peak<float>(threads); }
double peak_f64(int threads) { return peak<double>(threads); }
}
