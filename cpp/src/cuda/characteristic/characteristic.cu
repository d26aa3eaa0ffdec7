// soft-STAPLE's expectation by its characteristic function, for raters too many for 2^m masses. CPU
// counterpart and derivation: posterior/characteristic.hpp.
//
//   s_i(b)   log-odds of rater i's vote b; gain_i = s_i(1) − s_i(0)
//   S        logit π + Σ_i s_i(b_i), and w = E σ(S)                                              eq. (9)
//   φ(ω)     E e^{iωS} = e^{iω start} Π_i ((1 − q_i) + q_i e^{iω gain_i}),  start = logit π + Σ_i s_i(0)
//   h        step from node to node, ω_k = (k + ½) h
//
// Each thread has a voxel. Most voxels have all of S on one side of 0 and are answered at once. The others
// are queued until the block has one for each thread, and then go through the nodes together.
#include "cuda/characteristic/gatherer.cuh"

namespace fastfuse::cuda {
namespace {

// Number of the block's threads before this one that say yes; `all`: of all its threads.
__device__ int count_before(bool yes, int& all) {
    __shared__ int before[block_threads];
    const int me = static_cast<int>(threadIdx.x);
    before[me] = yes;
    __syncthreads();
    for (int apart = 1; apart < block_threads; apart *= 2) {
        const int further = me >= apart ? before[me - apart] : 0;
        __syncthreads();
        before[me] += further;
        __syncthreads();
    }
    all = before[block_threads - 1];
    const int mine = before[me] - yes;
    __syncthreads(); // before anybody writes the next count
    return mine;
}

// `given` lies in the device's memory: a kernel parameter that is passed on by reference would be copied for
// every thread.
template <bool splits>
__global__ void expect_rows(const ByNodes* given, const double* table, double* part, double* extreme) {
    const Columns& columns = given->columns;
    __shared__ std::int64_t waiting[2 * block_threads];
    __shared__ int set_of[2 * block_threads];
    Gatherer<splits> gatherer(*given, table);
    const int me = static_cast<int>(threadIdx.x);
    int size = 0; // number of rows that wait
    // Answers the last `many` of the queue, by the nodes that suffice for all of them.
    const auto answer = [&](int many) {
        const bool mine = me < many;
        const int at = size - many + (mine ? me : 0);
        const int set = static_cast<int>(over_block(mine ? set_of[at] : 0, Greatest{}));
        if (mine) gatherer.integrate(waiting[at], set);
        size -= many;
        __syncthreads(); // before anybody queues another
    };
    const std::int64_t apart = static_cast<std::int64_t>(gridDim.x) * block_threads;
    for (std::int64_t base = static_cast<std::int64_t>(blockIdx.x) * block_threads; base < columns.voxels;
         base += apart) {
        const std::int64_t voxel = base + me;
        const int set = skips(columns, voxel, given->to) ? -1 : gatherer.take(voxel);
        int more = 0;
        const int place = size + count_before(set >= 0, more);
        if (set >= 0) {
            waiting[place] = voxel;
            set_of[place] = set;
        }
        size += more;
        __syncthreads();
        if (size >= block_threads) answer(block_threads);
    }
    if (size > 0) answer(size);
    leave_sums(gatherer.sum, fixed_sums + 2 * columns.raters, part);
    leave_extremes(gatherer.extremes, extreme);
}

} // namespace

void expect_by_nodes(const ByNodes& given, bool splits, double* sums, Scratch& tables, Scratch& scratch) {
    const Place& place = scratch.place();
    constexpr std::size_t given_doubles = (sizeof given + sizeof(double) - 1) / sizeof(double);
    double* memory = tables.doubles(given_doubles + static_cast<std::size_t>(given.sets.size));
    double* table = memory + given_doubles;
    copy_to_device(place, &given, sizeof given, reinterpret_cast<std::byte*>(memory));
    fill_table(given.odds, given.sets, table, place);
    const int blocks = blocks_for(place, given.columns.voxels / block_threads + 1);
    const Parts parts(product_sums(given.columns.raters), blocks, scratch);
    launch(splits ? expect_rows<true> : expect_rows<false>, blocks, place, "an E-step",
           reinterpret_cast<const ByNodes*>(memory), table, parts.sums(), parts.extremes());
    parts.add_up(sums);
}

} // namespace fastfuse::cuda
