#include "cuda/sums.cuh"

namespace fastfuse::cuda {
namespace {

// One block per sum.
__global__ void add_parts_of(const double* part, std::int64_t sums, int parts, double* sum) {
    for (std::int64_t s = blockIdx.x; s < sums; s += gridDim.x) {
        double mine = 0;
        for (int b = static_cast<int>(threadIdx.x); b < parts; b += block_threads)
            mine += part[s * parts + b];
        const double found = over_block(mine, Add{});
        if (threadIdx.x == 0) sum[s] = found;
    }
}

// One thread per sum, for many sums.
__global__ void add_parts_of_many(const double* part, std::int64_t sums, int parts, double* sum) {
    const std::int64_t apart = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
    for (std::int64_t s = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; s < sums;
         s += apart) {
        double found = 0;
        for (int b = 0; b < parts; ++b)
            found += part[s * parts + b];
        sum[s] = found;
    }
}

// extreme[0] = least of part[b], extreme[1] = greatest of part[parts + b].
__global__ void find_extremes(const double* part, int parts, double* extreme) {
    double least = part[0], greatest = part[parts];
    for (int b = static_cast<int>(threadIdx.x); b < parts; b += block_threads) {
        least = Least{}(least, part[b]);
        greatest = Greatest{}(greatest, part[parts + b]);
    }
    least = over_block(least, Least{});
    greatest = over_block(greatest, Greatest{});
    if (threadIdx.x == 0) {
        extreme[0] = least;
        extreme[1] = greatest;
    }
}

} // namespace

void add_parts(const double* part, std::int64_t sums, int parts, double* sum, const Place& place) {
    const bool many = sums > block_threads;
    const int blocks = blocks_for(place, many ? sums / block_threads + 1 : sums);
    launch(many ? add_parts_of_many : add_parts_of, blocks, place, "adding up", part, sums, parts, sum);
}

void Parts::add_up(double* found) const {
    add_parts(sums(), sums_, blocks_, found, place_);
    launch(find_extremes, 1, place_, "finding extremes", extremes(), blocks_, found + sums_);
}

} // namespace fastfuse::cuda
