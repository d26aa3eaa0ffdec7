// The kernels, as the host calls them. All arrays lie on the device.
#pragma once

#include <cstdint>

#include "cuda/runtime.hpp"
#include "fastfuse/place.hpp"
#include "fastfuse/view.hpp"
#include "kernels/rates.hpp"

namespace fastfuse::cuda {

using kernels::Rate;
using kernels::Step;
using Count = unsigned long long;

constexpr Count nowhere = ~Count{0};

// The raters' votes, voxel after voxel.
struct Columns {
    const void* vote[most_raters];
    Scalar type[most_raters];
    const std::uint8_t* mask; // null where all voxels count
    std::int64_t voxels;
    int raters;
    bool floats; // all votes are float32 and can be read four at a time
    bool bytes;  // the same of bool and uint8
};

// --- patterns.cu
// -----------------------------------------------------------------------------------------------

constexpr int most_values = 8;

struct Values {
    double value[most_values];
    int size;
};

// Rater i's vote at voxel s · step goes to sample[i · samples + s]; 0 outside the mask.
void take_sample(const Columns& columns, std::int64_t samples, std::int64_t step, double* sample,
                 const Place& place);

// Every voxel's key, Σ_i code_i sizeⁱ where code_i numbers rater i's vote among the values; `keys`, which
// stands for no pattern, outside the mask. Counts them: count[key], and the voxels outside at count[keys]. At
// `stray` the first voxel · raters + rater whose vote is not among the values, at `stray_mask` the first
// voxel whose mask is not 0 or 1.
template <class Key>
void find_keys(const Columns& columns, const Values& values, std::int64_t keys, Key* key, Count* count,
               Count* stray, Count* stray_mask, const Place& place);

// probability[key] of every voxel.
template <class Key, class T>
void look_up(const Key* key, const T* probability, std::int64_t voxels, T* consensus, const Place& place);

// --- product.cu
// ------------------------------------------------------------------------------------------------

template <class T> struct Rates {
    Rate<T> one[most_dense_raters], zero[most_dense_raters];
    T prior, prior_complement;
};

// What an E-step leaves of the volume, one after another: Σ w, Σ (1 − w), Σ log p(votes), Σ w² of nothing
// else; then for each rater the sums of his votes away from the likelier mark where truth is 1, and where it
// is 0.
constexpr int fixed_sums = 3;
inline int product_sums(int raters) { return fixed_sums + 2 * raters; }

// Votes must be finite. With `consensus`, also writes w, 0 outside the mask; `extreme` then gets the least
// and the greatest w inside.
template <class T>
void expect(const Columns& columns, const Rates<T>& rates, Step step, double* sums, void* consensus,
            bool wide, double* extreme, const Place& place);

// What a first look tells: voxels that count, and those on which raters differ; then of each rater Σ q and Σ
// q (1 − q).
constexpr int fixed_findings = 2;
inline int inspected_sums(int raters) { return fixed_findings + 2 * raters; }
// `extreme`: the least and the greatest vote. `stray`: as above, of votes outside [0, 1].
void inspect(const Columns& columns, double* sums, double* extreme, Count* stray, Count* stray_mask,
             const Place& place);

// --- masses.cu
// -------------------------------------------------------------------------------------------------

// N(B), eq. (8), of the raters listed; each voxel counts q_again², or once if `again` is −1.
struct Listed {
    int rater[most_dense_raters];
    int size;
    int again;
};
void add_masses(const Columns& columns, const Listed& listed, double* mass, const Place& place);

// w_t = Σ_B q_t(B) p(1|B), eq. (9); then Σ w, and Σ w q_i of each rater.
template <class T>
void mix(const Columns& columns, const T* posterior, void* consensus, bool wide, double* sums,
         double* extreme, const Place& place);

} // namespace fastfuse::cuda
