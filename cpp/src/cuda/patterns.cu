// Votes with few values: every voxel's pattern as one number, and how often each occurs.
//
//   code_i   index of rater i's vote among the values
//   key      Σ_i code_i sizeⁱ, the number of the vote pattern; 0 if all votes are 0
//
// Nearly all voxels of an image have key 0 or lie outside the mask. Each thread counts these in registers, so
// that threads do not wait for the same address.
#include "cuda/sums.cuh"
#include "cuda/votes.cuh"

namespace fastfuse::cuda {
namespace {

constexpr int most_shared_counts = 4096; // counts that fit into a block's shared memory

// Vote: float if it holds every vote exactly, as most devices are slow with doubles.
template <class Vote> __device__ int code_of(Vote vote, const Values& values) {
    int code = -1;
    FASTFUSE_UNROLL
    for (int k = 0; k < most_values; ++k)
        if (k < values.size && vote == static_cast<Vote>(values.value[k])) code = k;
    return code;
}

// Counts runs of equal keys, as neighbours mostly agree, in global or shared memory.
template <class Number> class RunCounter {
  public:
    __device__ explicit RunCounter(Number* count) : count_(count) {}
    __device__ void add(std::uint32_t key) {
        if (key != key_) flush();
        key_ = key;
        ++run_;
    }
    __device__ void flush() {
        if (run_ > 0) atomicAdd(count_ + key_, run_);
        run_ = 0;
    }

  private:
    Number* count_;
    std::uint32_t key_ = 0;
    Number run_ = 0;
};

// Puts a value into the first free place, unless it is there already.
__device__ void keep(double vote, Sample* sample) {
    Count bits, found = 1;
    memcpy(&bits, &vote, sizeof bits);
    for (int k = 0; k < most_values && found != 0 && found != bits; ++k)
        found = atomicCAS(reinterpret_cast<Count*>(sample->value + k), Count{0}, bits);
    if (found != 0 && found != bits) atomicAdd(&sample->more, 1u);
}

template <class Vote>
__device__ void take_keys(const Columns& columns, const Values& values, std::int64_t first,
                          std::uint32_t* key, Strays* strays) {
    FASTFUSE_UNROLL
    for (int k = 0; k < quad; ++k)
        key[k] = 0;
    for (int i = columns.raters; i-- > 0;) {
        Vote vote[quad];
        read_quad(columns, i, first, vote);
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k) {
            int code = code_of<Vote>(vote[k], values);
            if (code < 0) {
                if (counts(columns, first + k)) note_stray(columns, first + k, i, strays);
                code = 0;
            }
            key[k] = key[k] * static_cast<unsigned>(values.size) + static_cast<unsigned>(code);
        }
    }
}

template <class Key, class Counter>
__device__ void count_keys(const Columns& columns, const Values& values, std::uint32_t keys, Key* key_of,
                           Count* zero_and_outside, Strays* strays, Counter counter) {
    Count zero = 0, outside = 0;
    for (std::int64_t first = first_quad(); first < columns.voxels; first += quads_apart()) {
        std::uint32_t key[quad];
        if (columns.floats || columns.bytes)
            take_keys<float>(columns, values, first, key, strays);
        else
            take_keys<double>(columns, values, first, key, strays);
        Four<Key> own;
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k) {
            if (first + k >= columns.voxels) continue;
            note_stray_mask(columns, first + k, strays);
            if (!counts(columns, first + k)) {
                key[k] = keys;
                ++outside;
            } else if (key[k] == 0) {
                ++zero;
            } else {
                counter.add(key[k]);
            }
            own.value[k] = static_cast<Key>(key[k]);
        }
        write_quad(own, first, columns.voxels, key_of);
    }
    counter.flush();
    const double zeros = over_block(static_cast<double>(zero), Add{}); // whole numbers below 2^53
    const double outsides = over_block(static_cast<double>(outside), Add{});
    if (threadIdx.x != 0) return;
    atomicAdd(zero_and_outside, static_cast<Count>(zeros));
    atomicAdd(zero_and_outside + keys, static_cast<Count>(outsides));
}

template <class Key>
__global__ void find_few_keys(Columns columns, Values values, std::uint32_t keys, Key* key, Count* count,
                              Strays* strays) {
    __shared__ unsigned own[most_shared_counts];
    for (unsigned k = threadIdx.x; k < keys; k += block_threads)
        own[k] = 0;
    __syncthreads();
    count_keys(columns, values, keys, key, count, strays, RunCounter<unsigned>(own));
    __syncthreads();
    for (unsigned k = threadIdx.x; k < keys; k += block_threads)
        if (own[k] > 0) atomicAdd(count + k, static_cast<Count>(own[k]));
}

template <class Key>
__global__ void find_many_keys(Columns columns, Values values, std::uint32_t keys, Key* key, Count* count,
                               Strays* strays) {
    count_keys(columns, values, keys, key, count, strays, RunCounter<Count>(count));
}

__global__ void take_sample_of(Columns columns, std::int64_t step, Sample* sample) {
    const std::int64_t samples = (columns.voxels + step - 1) / step;
    for (std::int64_t k = first_voxel(); k < samples * columns.raters; k += voxels_apart()) {
        const std::int64_t voxel = k % samples * step;
        const double vote = read_vote(columns, static_cast<int>(k / samples), voxel);
        if (vote > 0 && vote < 1 && counts(columns, voxel) && sample->more == 0) keep(vote, sample);
    }
}

template <class Key, class T>
__global__ void look_up_keys(const Key* key, const T* probability, std::int64_t voxels, T* consensus) {
    for (std::int64_t first = first_quad(); first < voxels; first += quads_apart()) {
        const Four<Key> keys = *reinterpret_cast<const Four<Key>*>(key + first);
        Four<T> found;
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k)
            if (first + k < voxels) found.value[k] = probability[keys.value[k]];
        write_quad(found, first, voxels, consensus);
    }
}

} // namespace

void take_sample(const Columns& columns, std::int64_t step, Sample* sample, const Place& place) {
    const int blocks = blocks_for(place, columns.voxels / step * columns.raters / block_threads + 1);
    launch(take_sample_of, blocks, place, "taking a sample", columns, step, sample);
}

template <class Key>
void find_keys(const Columns& columns, const Values& values, std::int64_t keys, Key* key, Count* count,
               Strays* strays, const Place& place) {
    const auto kernel = keys <= most_shared_counts ? find_few_keys<Key> : find_many_keys<Key>;
    const int blocks = blocks_for(place, columns.voxels / (quad * block_threads) + 1);
    launch(kernel, blocks, place, "counting patterns", columns, values, static_cast<std::uint32_t>(keys), key,
           count, strays);
}

template <class Key, class T>
void look_up(const Key* key, const T* probability, std::int64_t voxels, T* consensus, const Place& place) {
    const int blocks = blocks_for(place, voxels / (quad * block_threads) + 1);
    launch(look_up_keys<Key, T>, blocks, place, "writing the consensus", key, probability, voxels, consensus);
}

template void find_keys(const Columns&, const Values&, std::int64_t, std::uint16_t*, Count*, Strays*,
                        const Place&);
template void find_keys(const Columns&, const Values&, std::int64_t, std::uint32_t*, Count*, Strays*,
                        const Place&);
template void look_up(const std::uint16_t*, const float*, std::int64_t, float*, const Place&);
template void look_up(const std::uint16_t*, const double*, std::int64_t, double*, const Place&);
template void look_up(const std::uint32_t*, const float*, std::int64_t, float*, const Place&);
template void look_up(const std::uint32_t*, const double*, std::int64_t, double*, const Place&);

} // namespace fastfuse::cuda
