#include "engines/lanes/kernels.hpp"

#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "fastfuse/simd.hpp"

namespace fastfuse::kernels {
namespace {

// One set of kernels: their code is inlined into functions of one target.
#define FASTFUSE_KERNELS(set, target, bytes)                                                                 \
    template <class T> struct set {                                                                          \
        target static void inspect(const Columns<T>& votes, Inspection& to) {                                \
            kernels::inspect<T, bytes>(votes, to);                                                           \
        }                                                                                                    \
        target static void expect(const Columns<T>& votes, const Rates<T>& rates, Step step,                 \
                                  ProductSums& to) {                                                         \
            kernels::expect<T, bytes>(votes, rates, step, to);                                               \
        }                                                                                                    \
        target static void posterior(const Columns<T>& votes, const Rates<T>& rates, Step step,              \
                                     T* consensus) {                                                         \
            kernels::posterior<T, bytes>(votes, rates, step, consensus);                                     \
        }                                                                                                    \
        target static T doubts(const Columns<T>& votes, T* to) {                                             \
            return kernels::doubts<T, bytes>(votes, to);                                                     \
        }                                                                                                    \
        target static void agree(const Columns<T>& votes, const T* consensus, TileAgreement<T>& to) {        \
            kernels::agree<T, bytes>(votes, consensus, to);                                                  \
        }                                                                                                    \
        target static void count_marks(const Columns<T>& votes, const T* consensus, HalfMarks& to) {         \
            kernels::count_marks<T, bytes>(votes, consensus, to);                                            \
        }                                                                                                    \
        target static void spread(const T* const* vote, int raters, std::int64_t first, const T* root,       \
                                  T* rows) {                                                                 \
            kernels::spread<T, bytes>(vote, raters, first, root, rows);                                      \
        }                                                                                                    \
        target static void scale_rows(const T* rows, int raters, int rater, const T* vote, T* to) {          \
            kernels::scale_rows<T, bytes>(rows, raters, rater, vote, to);                                    \
        }                                                                                                    \
        target static void add_products(const T* u, int rows, const T* v, int columns, MassSums<T> to,       \
                                        std::int64_t next_column, Ahead ahead) {                             \
            kernels::add_products<T, bytes>(u, rows, v, columns, to, next_column, ahead);                    \
        }                                                                                                    \
        target static void settle(MassSums<T> sums, std::int64_t masses) {                                   \
            kernels::settle<T, bytes>(sums, masses);                                                         \
        }                                                                                                    \
        target static void score(const T* u, const T* v, int low, const ScoreTables<T>& tables, T* rows) {   \
            kernels::score<T, bytes>(u, v, low, tables, rows);                                               \
        }                                                                                                    \
        target static void slopes(const Columns<T>& votes, const Rates<T>& rates, std::int64_t first,        \
                                  const SlopeRows<T>& to) {                                                  \
            kernels::slopes<T, bytes>(votes, rates, first, to);                                              \
        }                                                                                                    \
        target static void mix(const Columns<T>& votes, const T* posterior, const T* ones, T* scratch,       \
                               T* consensus) {                                                               \
            kernels::mix<T, bytes>(votes, posterior, ones, scratch, consensus);                              \
        }                                                                                                    \
        target static void mix_series(const SeriesTable<T>& table, const SeriesRun<T>& run,                  \
                                      SeriesSums& to) {                                                      \
            kernels::mix_series<T, bytes>(table, run, to);                                                   \
        }                                                                                                    \
        static Kernels<T> all() {                                                                            \
            return {inspect,      expect, posterior, doubts, agree, count_marks, spread, scale_rows,         \
                    add_products, settle, score,     slopes, mix,   mix_series,  nullptr};                   \
        }                                                                                                    \
    };

FASTFUSE_KERNELS(Baseline, , 16)

#if defined(__GNUC__) && defined(__x86_64__)
FASTFUSE_KERNELS(Avx2, __attribute__((target("avx2,fma"))), 32)
FASTFUSE_KERNELS(Avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), 64)

// Whether the environment allows the set. Tests use it to run the kernels of other processors.
bool allowed(const char* set) {
    const char* most = std::getenv("FASTFUSE_INSTRUCTION_SET"); // "avx512", "avx2" or "baseline"
    return most == nullptr || std::strcmp(most, "avx512") == 0 || std::strcmp(most, set) == 0;
}

bool has_avx512() {
    return allowed("avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

bool has_avx2() { return allowed("avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

template <class T> Kernels<T> choose() {
    if (has_avx512()) {
        Kernels<T> all = Avx512<T>::all();
        if constexpr (std::is_same_v<T, float>) all.add_patterns = add_patterns;
        return all;
    }
    return has_avx2() ? Avx2<T>::all() : Baseline<T>::all();
}
#else
bool has_avx512() { return false; }

bool has_avx2() { return false; }

template <class T> Kernels<T> choose() { return Baseline<T>::all(); }
#endif

} // namespace

template <class T> const Kernels<T>& best() {
    static const Kernels<T> chosen = choose<T>();
    return chosen;
}

template const Kernels<float>& best();
template const Kernels<double>& best();

} // namespace fastfuse::kernels

namespace fastfuse {

const char* instruction_set() {
    return kernels::has_avx512() ? "avx512" : kernels::has_avx2() ? "avx2" : "baseline";
}

} // namespace fastfuse
