// The kernels as the host calls them. All arrays lie on the device.
#pragma once

#include <cstdint>

#include "cuda/runtime.hpp"
#include "engines/lanes/rates.hpp"
#include "fastfuse/array_view.hpp"
#include "fastfuse/place.hpp"
#include "posterior/node_sets.hpp"

namespace fastfuse::cuda {

using kernels::Rate;
using kernels::Step;
using Count = unsigned long long;

// The first of several places, kept as its distance from the end so that zeroed memory means none.
struct First {
    Count from_end;

    static constexpr Count end = ~Count{0};
    bool found() const { return from_end != 0; }
    Count place() const { return end - from_end; }
};

// The raters' votes, voxel after voxel.
struct Columns {
    const void* vote[most_raters];
    Scalar type[most_raters];
    const std::uint8_t* mask; // null where all voxels count
    std::int64_t voxels;
    int raters;
    bool floats; // all votes are float32, aligned to be read four at a time
    bool bytes;  // all votes are bool or uint8, aligned to be read sixteen at a time
};

// --- patterns/patterns.cu ---

constexpr int most_values = 8;
constexpr int most_key_bits = 22, most_key_bytes = 3;
constexpr std::int64_t most_keys = std::int64_t{1} << most_key_bits; // counts of 8 bytes, here and there

struct Values {
    double value[most_values];
    int size;
};

// Votes of voxels 0, step, 2 step … other than 0, 1 and what is not a probability: distinct values, in any
// order, and whether there were more.
struct Sample {
    double value[most_values]; // 0 where there is none
    unsigned more;             // not 0 if there were more
};
void take_sample(const Columns& columns, std::int64_t step, Sample* sample, const Place& place);

// The first invalid elements.
struct Strays {
    First vote; // voxel · raters + rater: not a probability, or not among the values
    First mask; // the voxel: neither 0 nor 1
};
// Writes every voxel's key, Σ_i code_i sizeⁱ where code_i is the index of rater i's vote among the values,
// and counts the keys. Voxels outside the mask get the key `keys`, which stands for no pattern.
template <class Key>
void find_keys(const Columns& columns, const Values& values, std::int64_t keys, Key* key, Count* count,
               Strays* strays, const Place& place);

// probability[key] of every voxel.
template <class Key, class T>
void look_up(const Key* key, const T* probability, std::int64_t voxels, T* consensus, const Place& place);

// --- inspect.cu ---

// Sums of the first pass: voxels inside the mask; voxels on which raters differ; Σ_i Σ q (1 − q); Σ q and
// Σ (1 − q) of each rater; the least and the greatest vote. Of at most most_dense_raters raters, before the
// extremes: the sums of the mean vote w: Σ w, Σ (1 − w); Σ w (1 − q) and Σ (1 − w) q of each rater.
constexpr int fixed_findings = 3;
FASTFUSE_HOST_DEVICE constexpr int inspected_sums(int raters) { return fixed_findings + 2 * raters; }
FASTFUSE_HOST_DEVICE constexpr int mean_sums(int raters) { return 2 + 2 * raters; }
// `strays`: votes that are not probabilities or, with `binary`, not 0 or 1. `fine`: in double precision.
void inspect(const Columns& columns, bool binary, bool fine, double* sums, Strays* strays, Scratch& scratch);

// --- product.cu ---

template <class T> using Rates = kernels::RatesOf<T, most_dense_raters>;
using ManyRates = kernels::RatesOf<double, most_raters>;
constexpr std::size_t most_parameters = 4096; // bytes of a kernel's parameters, on any architecture
static_assert(sizeof(Columns) + sizeof(ManyRates) + 64 <= most_parameters);

// Sums of an E-step, in this order: Σ w, Σ (1 − w), Σ log p(votes); for each rater the sums of the votes for
// the less likely mark where truth is 1, and where it is 0; the least and the greatest w that was written.
constexpr int fixed_sums = 3;
inline int product_sums(int raters) { return fixed_sums + 2 * raters; }

// Where to write w, with 0 outside the mask; null for nowhere.
struct Consensus {
    void* data = nullptr;
    bool wide = false; // doubles
};

// Votes must be finite, of at most most_dense_raters raters.
template <class T>
void expect(const Columns& columns, const Rates<T>& rates, Step step, const Consensus& to, double* sums,
            Scratch& scratch);
// For any number of raters.
void expect_of_many(const Columns& columns, const ManyRates& rates, Step step, const Consensus& to,
                    double* sums, Scratch& scratch);

// --- masses/ ---

// N(B), eq. (8). `again`: each voxel has the weight q (1 − q) of a rater behind the last, columns.raters.
void find_masses(const Columns& columns, bool again, double* mass, Scratch& scratch);

// Sums: Σ w; Σ w q_i and Σ (1 − w)(1 − q_i) of each rater; the least and the greatest w.
FASTFUSE_HOST_DEVICE constexpr int mixed_sums(int raters) { return 1 + 2 * raters; }
// Writes w_t = Σ_B q_t(B) p(1|B), eq. (9). `fine`: in double precision.
void mix(const Columns& columns, const std::vector<double>& posterior, bool fine, const Consensus& to,
         double* sums, Scratch& scratch);

} // namespace fastfuse::cuda
