// The kernels, as the host calls them. All arrays lie on the device.
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

// The first of some places. Memory of zeros holds none.
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
    bool floats; // all votes are float32 and can be read four at a time
    bool bytes;  // the same of bool and uint8
};

// --- patterns.cu ---

constexpr int most_values = 8;

struct Values {
    double value[most_values];
    int size;
};

// What voxels 0, step, 2 step … hold beside 0 and 1 and what is no probability: as many values as fit, in any
// order, and how many did not.
struct Sample {
    double value[most_values]; // 0 where there is none
    unsigned more;
};
void take_sample(const Columns& columns, std::int64_t step, Sample* sample, const Place& place);

// Every voxel's key, Σ_i code_i sizeⁱ where code_i numbers rater i's vote among the values; `keys`, which
// stands for no pattern, outside the mask. Counts them: count[key], and the voxels outside at count[keys].
// Finds what should not be there.
struct Strays {
    First vote; // voxel · raters + rater: no probability, or not among the values
    First mask; // the voxel: neither 0 nor 1
};
template <class Key>
void find_keys(const Columns& columns, const Values& values, std::int64_t keys, Key* key, Count* count,
               Strays* strays, const Place& place);

// probability[key] of every voxel.
template <class Key, class T>
void look_up(const Key* key, const T* probability, std::int64_t voxels, T* consensus, const Place& place);

// --- inspect.cu ---

// What a first look tells: voxels that count, and those on which raters differ; of each rater Σ q and
// Σ q (1 − q); the least and the greatest vote.
constexpr int fixed_findings = 2;
inline int inspected_sums(int raters) { return fixed_findings + 2 * raters; }
// `strays`: of votes that are no probabilities, or no marks where they must be `binary`.
void inspect(const Columns& columns, bool binary, double* sums, Strays* strays, Scratch& scratch);

// --- product.cu ---

template <class T> using Rates = kernels::RatesOf<T, most_dense_raters>;
using ManyRates = kernels::RatesOf<double, most_raters>; // of any number of raters
constexpr std::size_t most_parameters = 4096; // bytes that a kernel takes, of whatever architecture
static_assert(sizeof(Columns) + sizeof(ManyRates) + 64 <= most_parameters);

// What an E-step leaves of the volume, one after another: Σ w, Σ (1 − w), Σ log p(votes); for each rater the
// sums of his votes away from the likelier mark where truth is 1, and where it is 0; and the least and the
// greatest w that was written.
constexpr int fixed_sums = 3;
inline int product_sums(int raters) { return fixed_sums + 2 * raters; }

// Where to write w, 0 outside the mask; nowhere if it is null.
struct Consensus {
    void* data = nullptr;
    bool wide = false; // doubles
};

// Votes must be finite, of at most most_dense_raters raters.
template <class T>
void expect(const Columns& columns, const Rates<T>& rates, Step step, const Consensus& to, double* sums,
            Scratch& scratch);
// The same of any number of raters.
void expect_of_many(const Columns& columns, const ManyRates& rates, Step step, const Consensus& to,
                    double* sums, Scratch& scratch);

// --- masses.cu ---

// N(B), eq. (8), of the raters listed; each voxel counts q (1 − q) of rater `again`, or once if that is −1.
struct Listed {
    int rater[most_dense_raters];
    int size;
    int again;
};
void find_masses(const Columns& columns, const Listed& listed, double* mass, Scratch& scratch);

// Writes w_t = Σ_B q_t(B) p(1|B), eq. (9). Leaves Σ w, Σ w q_i of each rater, the least w and the greatest.
template <class T>
void mix(const Columns& columns, const T* posterior, const Consensus& to, double* sums, Scratch& scratch);

// --- characteristic.cu ---

// So many at a time; the last few raters may be dummies, which tell nothing.
constexpr int raters_together = 4, nodes_together = 2;
constexpr int most_sets = 24;  // of nodes, for any rates and priors
constexpr int most_terms = 40; // of an expansion

// In whole groups of raters.
struct Odds {
    int groups;
    double no[most_raters];   // s_i(0)
    double gain[most_raters]; // s_i(1) − s_i(0)
    double log_false_alarm[most_raters], log_rejection[most_raters];
    bool one_yes[most_raters], zero_yes[most_raters]; // whether 1 is the likelier mark where truth is 1, or 0
    double logit, log_background;                     // of the prior: logit π, log (1 − π)
};

// Where in `table` each set of nodes begins: blocks of nodes_together, each with their weights, those for the
// logarithm, and what each rater's gain turns φ by, cos and sin. Before them e^−k|gain| of each rater, for
// the terms of an expansion.
struct NodeSets {
    int sets;
    double step[most_sets]; // h
    int blocks[most_sets];
    std::int64_t begin[most_sets];
    std::int64_t size; // of the table
};
NodeSets node_sets_for(const Odds& odds, double largest);

// An E-step by the characteristic function. It leaves what the product's leaves; `splits`: what the M-step
// sees are the raters' own marks.
struct ByNodes {
    Columns columns;
    Odds odds;
    NodeSets sets;
    Consensus to;
};
void expect_by_nodes(const ByNodes& given, bool splits, double* sums, Scratch& tables, Scratch& scratch);

} // namespace fastfuse::cuda
