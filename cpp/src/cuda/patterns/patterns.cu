// Votes with few values: every voxel's pattern as one number, its key (keys.cuh), and how often each occurs.
//
// Nearly all voxels of an image have key 0 or lie outside the mask. Each thread counts these in registers, so
// that threads do not wait for the same address.
#include "cuda/patterns/keys.cuh"

namespace fastfuse::cuda {
namespace {

constexpr int most_shared_counts = 4096; // counts that fit into a block's shared memory

// Counts a thread's keys, in global or shared memory: 0 and `outside` at the end, runs of other equal keys at
// once, as neighbours mostly agree.
template <class Number> class Tally {
  public:
    __device__ Tally(Number* count, std::uint32_t outside) : count_(count), outside_(outside) {}
    __device__ void add_zeros(unsigned zeros) { zeros_ += zeros; }
    __device__ void add(std::uint32_t key) {
        if (key == 0) {
            ++zeros_;
        } else if (key == outside_) {
            ++outsides_;
        } else {
            if (key != key_) flush();
            key_ = key;
            ++run_;
        }
    }
    // `sums`: of a block's zeros, and of its voxels outside.
    __device__ void finish(unsigned* sums) {
        flush();
        if (zeros_ > 0) atomicAdd(sums, zeros_);
        if (outsides_ > 0) atomicAdd(sums + 1, outsides_);
    }

  private:
    __device__ void flush() {
        if (run_ > 0) atomicAdd(count_ + key_, run_);
        run_ = 0;
    }

    Number* count_;
    std::uint32_t outside_, key_ = 0;
    Number run_ = 0;
    unsigned zeros_ = 0, outsides_ = 0;
};

// Counts a quad's keys and leaves them in `own`.
template <class Key, class Found, class Number>
__device__ void count_quad(const Columns& columns, const Found& found, int word, std::int64_t first,
                           std::uint32_t keys, Strays* strays, Key* own, Tally<Number>& tally) {
    const std::uint32_t inside = inside_quad(columns, first);
    if (inside == inside_all && !found.any(word)) {
        tally.add_zeros(quad);
        return;
    }
    FASTFUSE_UNROLL
    for (int k = 0; k < quad; ++k) {
        if (first + k >= columns.voxels) continue;
        const std::uint32_t mask = inside >> (8 * k) & 0xffu;
        if (mask > 1) note_stray_mask(columns, first + k, strays);
        const std::uint32_t key = mask == 0 ? keys : found.key(word * quad + k);
        tally.add(key);
        own[k] = static_cast<Key>(key);
    }
}

template <class Key, class Reader, class Number>
__device__ void count_keys(const Columns& columns, const Reader& reader, std::uint32_t keys, Key* key_of,
                           Strays* strays, Tally<Number>& tally) {
    constexpr int voxels = Reader::voxels;
    for (std::int64_t first = first_voxel() * voxels; first < columns.voxels;
         first += voxels_apart() * voxels) {
        const typename Reader::Keys found = reader.read(columns, first, strays);
        Several<Key, voxels> own{};
        FASTFUSE_UNROLL
        for (int w = 0; w < voxels / quad; ++w)
            count_quad(columns, found, w, first + w * quad, keys, strays, own.value + w * quad, tally);
        write_several(own, first, columns.voxels, key_of);
    }
}

// Adds a block's zeros, and its voxels outside, to the counts of all.
__device__ void leave_common(const unsigned* common, std::uint32_t keys, Count* count) {
    if (threadIdx.x < 2)
        atomicAdd(count + (threadIdx.x == 0 ? 0 : keys), static_cast<Count>(common[threadIdx.x]));
}

// Keys that are counted in shared memory, and those that are too many for it.
template <class Key, class Reader>
__global__ void find_few_keys(Columns columns, Reader reader, std::uint32_t keys, Key* key, Count* count,
                              Strays* strays) {
    __shared__ unsigned own[most_shared_counts], common[2];
    for (unsigned k = threadIdx.x; k < keys; k += block_threads)
        own[k] = 0;
    if (threadIdx.x < 2) common[threadIdx.x] = 0;
    __syncthreads();
    Tally<unsigned> tally(own, keys);
    count_keys(columns, reader, keys, key, strays, tally);
    tally.finish(common);
    __syncthreads();
    for (unsigned k = threadIdx.x; k < keys; k += block_threads)
        if (own[k] > 0) atomicAdd(count + k, static_cast<Count>(own[k]));
    leave_common(common, keys, count);
}

template <class Key, class Reader>
__global__ void find_many_keys(Columns columns, Reader reader, std::uint32_t keys, Key* key, Count* count,
                               Strays* strays) {
    __shared__ unsigned common[2];
    if (threadIdx.x < 2) common[threadIdx.x] = 0;
    __syncthreads();
    Tally<Count> tally(count, keys);
    count_keys(columns, reader, keys, key, strays, tally);
    tally.finish(common);
    __syncthreads();
    leave_common(common, keys, count);
}

// Puts a value into the first free place, unless it is there already.
__device__ void keep(double vote, Sample* sample) {
    Count bits, found = 1;
    memcpy(&bits, &vote, sizeof bits);
    for (int k = 0; k < most_values && found != 0 && found != bits; ++k)
        found = atomicCAS(reinterpret_cast<Count*>(sample->value + k), Count{0}, bits);
    if (found != 0 && found != bits) atomicMax(&sample->more, 1u);
}

// Each block takes a sample of its own, and stops where that is full, so that dense votes cost next to
// nothing.
__global__ void take_sample_of(Columns columns, std::int64_t step, Sample* sample) {
    __shared__ Sample own;
    if (threadIdx.x < most_values) own.value[threadIdx.x] = 0;
    if (threadIdx.x == 0) own.more = 0;
    __syncthreads();
    const std::int64_t samples = (columns.voxels + step - 1) / step, votes = samples * columns.raters;
    bool full = false;
    for (std::int64_t first = first_voxel() - threadIdx.x; first < votes && !full; first += voxels_apart()) {
        const std::int64_t k = first + threadIdx.x; // `first`: all threads of the block alike
        const std::int64_t voxel = k % samples * step;
        const double vote = k < votes ? read_vote(columns, static_cast<int>(k / samples), voxel) : 0;
        if (vote > 0 && vote < 1 && counts(columns, voxel)) keep(vote, &own);
        __syncthreads();
        full = own.more != 0;
        __syncthreads();
    }
    if (threadIdx.x < most_values && own.value[threadIdx.x] != 0) keep(own.value[threadIdx.x], sample);
    if (threadIdx.x == 0 && full) atomicMax(&sample->more, 1u);
}

template <class Key, class T>
__global__ void look_up_keys(const Key* key, const T* probability, std::int64_t voxels, T* consensus) {
    for (std::int64_t first = first_quad(); first < voxels; first += quads_apart()) {
        const Four<Key> keys = *reinterpret_cast<const Four<Key>*>(key + first);
        Four<T> found;
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k)
            if (first + k < voxels) found.value[k] = probability[keys.value[k]];
        write_several(found, first, voxels, consensus);
    }
}

} // namespace

void take_sample(const Columns& columns, std::int64_t step, Sample* sample, const Place& place) {
    constexpr int at_once = 2; // blocks of a multiprocessor: each merges its sample into one
    const int blocks = blocks_for(place, columns.voxels / step * columns.raters / block_threads + 1, at_once);
    launch(take_sample_of, blocks, place, "taking a sample", columns, step, sample);
}

namespace {

template <class Vote, int most> ValueReader<Vote, most> reader_of(const Values& values) {
    ValueReader<Vote, most> reader{};
    reader.size = values.size;
    for (int k = 0; k < values.size; ++k)
        reader.value[k] = static_cast<Vote>(values.value[k]);
    return reader;
}

template <class Key, class Reader>
void find_keys_by(const Reader& reader, const Columns& columns, std::int64_t keys, Key* key, Count* count,
                  Strays* strays, const Place& place) {
    void (*kernel)(Columns, Reader, std::uint32_t, Key*, Count*, Strays*);
    if constexpr (sizeof(Key) == 1)
        kernel = find_few_keys<Key, Reader>;
    else if constexpr (sizeof(Key) == 2)
        kernel = keys <= most_shared_counts ? find_few_keys<Key, Reader> : find_many_keys<Key, Reader>;
    else
        kernel = find_many_keys<Key, Reader>;
    const int blocks = blocks_for(place, columns.voxels / (Reader::voxels * block_threads) + 1);
    launch(kernel, blocks, place, "counting patterns", columns, reader, static_cast<std::uint32_t>(keys), key,
           count, strays);
}

} // namespace

template <class Key>
void find_keys(const Columns& columns, const Values& values, std::int64_t keys, Key* key, Count* count,
               Strays* strays, const Place& place) {
    const auto find_by = [&](const auto& reader) {
        find_keys_by(reader, columns, keys, key, count, strays, place);
    };
    constexpr int usual = 3; // 0, 1 and what conditional dilation gives
    if (columns.bytes)
        find_by(PackedReader<sizeof(Key) == 4 ? most_key_bytes : int{sizeof(Key)}>{});
    else if (columns.floats && values.size <= usual)
        find_by(reader_of<float, usual>(values));
    else if (columns.floats)
        find_by(reader_of<float, most_values>(values));
    else
        find_by(reader_of<double, most_values>(values));
}

template <class Key, class T>
void look_up(const Key* key, const T* probability, std::int64_t voxels, T* consensus, const Place& place) {
    const int blocks = blocks_for(place, voxels / (quad * block_threads) + 1);
    launch(look_up_keys<Key, T>, blocks, place, "writing the consensus", key, probability, voxels, consensus);
}

#define FASTFUSE_FOR_KEYS(Key)                                                                               \
    template void find_keys(const Columns&, const Values&, std::int64_t, Key*, Count*, Strays*,              \
                            const Place&);                                                                   \
    template void look_up(const Key*, const float*, std::int64_t, float*, const Place&);                     \
    template void look_up(const Key*, const double*, std::int64_t, double*, const Place&)
FASTFUSE_FOR_KEYS(std::uint8_t);
FASTFUSE_FOR_KEYS(std::uint16_t);
FASTFUSE_FOR_KEYS(std::uint32_t);
#undef FASTFUSE_FOR_KEYS

} // namespace fastfuse::cuda
