// What the machine allows, for the benches to stand beside.
//
//   copy   one pass that sums the votes of m raters and writes a volume of float
//   peak   multiply-adds a second, from registers
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace {

constexpr std::int64_t block = 4096;

template <class Vote>
void copy(const Vote* const* rater, int raters, std::int64_t voxels, float* out, int threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (std::int64_t first = 0; first < voxels; first += block) {
        const std::int64_t n = voxels - first < block ? voxels - first : block;
        std::array<float, block> sum{};
        for (int i = 0; i < raters; ++i)
            for (std::int64_t k = 0; k < n; ++k)
                sum[k] += static_cast<float>(rater[i][first + k]);
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
void copy_u8(const std::uint8_t* const* rater, int raters, std::int64_t voxels, float* out, int threads) {
    copy(rater, raters, voxels, out, threads);
}
void copy_f32(const float* const* rater, int raters, std::int64_t voxels, float* out, int threads) {
    copy(rater, raters, voxels, out, threads);
}
double peak_f32(int threads) { return peak<float>(threads); }
double peak_f64(int threads) { return peak<double>(threads); }
}
