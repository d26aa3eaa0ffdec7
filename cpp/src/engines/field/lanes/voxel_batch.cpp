#include "engines/field/lanes/voxel_batch.hpp"

#include <algorithm>
#include <numeric>

#include "engines/field/lanes/pattern_series.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t beyond = kernels::widest_lanes; // values after the last one, at least a vector

FASTFUSE_CLONES void find_bins(double* logit, std::int64_t n, std::int32_t* bin) {
    for (std::int64_t k = 0; k < n; ++k) {
        double l = logit[k] < least_logit ? least_logit : logit[k];
        l = l > greatest_logit ? greatest_logit : l;
        logit[k] = l;
        bin[k] = static_cast<std::int32_t>((l - least_logit) * kernels::bins_a_unit);
    }
}

} // namespace

template <class T>
VoxelBatch<T>::VoxelBatch(int raters)
    : logit_(most_voxels), offset_(most_voxels), to_(most_voxels),
      votes_(static_cast<std::size_t>(raters), kernels::Aligned<T>(most_voxels + beyond)),
      delta_(most_voxels + beyond), w_(most_voxels + beyond), columns_(votes_.size()), next_(votes_.size()),
      weight_(kernels::tile_voxels<T>), prior_(kernels::tile_voxels<T>),
      prior_complement_(kernels::tile_voxels<T>) {
    static_assert(most_voxels % kernels::tile_voxels<T> == 0 && kernels::tile_voxels<T> <= sweep_voxels);
}

template <class T>
void VoxelBatch<T>::add(std::int64_t place, std::int64_t voxel, const double* logit, std::int64_t n,
                        const std::uint8_t* inside) {
    const std::int64_t begin = voxels_;
    if (!inside) {
        std::copy_n(logit, n, logit_.begin() + begin);
        voxels_ += n;
    }
    for (std::int64_t k = 0; inside && k < n; ++k) {
        logit_[static_cast<std::size_t>(voxels_)] = logit[k];
        offset_[static_cast<std::size_t>(voxels_)] = static_cast<std::int32_t>(k);
        voxels_ += inside[2 * k];
    }
    if (voxels_ > begin) stretches_.push_back({place, voxel, begin, voxels_, !inside});
}

// By counting. Voxels of a bin keep their order.
template <class T> void VoxelBatch<T>::sort() {
    find_bins(logit_.data(), voxels_, to_.data());
    const auto [low, high] = std::minmax_element(to_.begin(), to_.begin() + voxels_);
    lowest_ = *low;
    end_.assign(static_cast<std::size_t>(*high - lowest_ + 1), 0);
    for (std::size_t k = 0; k < static_cast<std::size_t>(voxels_); ++k)
        ++end_[static_cast<std::size_t>(to_[k] - lowest_)];
    std::exclusive_scan(end_.begin(), end_.end(), end_.begin(), 0);
    T* delta = delta_.data();
    for (std::size_t k = 0; k < static_cast<std::size_t>(voxels_); ++k) {
        const std::int32_t bin = to_[k];
        to_[k] = end_[static_cast<std::size_t>(bin - lowest_)]++;
        delta[to_[k]] = static_cast<T>(logit_[k] - middle_of(bin));
    }
}

template <class T> void VoxelBatch<T>::read(RunReader<T>& reader) {
    for (const Stretch& stretch : stretches_) {
        const std::int64_t n = stretch.end - stretch.begin;
        const std::int32_t *to = to_.data() + stretch.begin, *offset = offset_.data() + stretch.begin;
        reader.begin(stretch.voxel, 2 * (stretch.whole ? n - 1 : offset[n - 1]) + 1);
        for (std::size_t i = 0; i < votes_.size(); ++i) {
            const T* vote = reader.votes_of(static_cast<int>(i));
            T* column = votes_[i].data();
            if (stretch.whole)
                for (std::int64_t k = 0; k < n; ++k)
                    column[to[k]] = vote[2 * k];
            else
                for (std::int64_t k = 0; k < n; ++k)
                    column[to[k]] = vote[2 * offset[k]];
        }
    }
}

template <class T> kernels::SeriesRun<T> VoxelBatch<T>::run_of(std::int32_t begin, std::int32_t end) {
    for (std::size_t i = 0; i < votes_.size(); ++i)
        columns_[i] = votes_[i].data() + begin;
    return {static_cast<int>(votes_.size()), columns_.data(), delta_.data() + begin, end - begin,
            w_.data() + begin};
}

// Voxels beyond the last one have weight 0.
template <class T> kernels::Columns<T> VoxelBatch<T>::tile_of(std::int64_t first, SweepScratch& scratch) {
    constexpr std::int64_t whole = kernels::tile_voxels<T>;
    const std::int64_t n = std::min(whole, voxels_ - first);
    std::copy_n(logit_.begin() + first, n, scratch.logit.begin());
    std::fill_n(scratch.logit.begin() + n, whole - n, 0.0);
    std::fill_n(scratch.w.begin(), whole, 0.0);
    find_w(false, whole, scratch); // without votes: the prior
    std::copy_n(scratch.w.begin(), whole, prior_.data());
    std::copy_n(scratch.u.begin(), whole, prior_complement_.data());
    std::fill_n(weight_.data(), whole, T(0));
    std::fill_n(weight_.data(), n, T(1));
    for (std::size_t i = 0; i < votes_.size(); ++i) {
        columns_[i] = votes_[i].data() + first;
        next_[i] = reinterpret_cast<const std::byte*>(columns_[i] + whole);
    }
    return {static_cast<int>(votes_.size()), columns_.data(), next_.data(), weight_.data(), prior_.data(),
            prior_complement_.data()};
}

template <class T> template <class W> void VoxelBatch<T>::put_w(Board<W>& board) {
    for (const Stretch& stretch : stretches_) {
        W* w = board.w(stretch.place);
        const std::int32_t *to = to_.data() + stretch.begin, *offset = offset_.data() + stretch.begin;
        for (std::int64_t k = 0; k < stretch.end - stretch.begin; ++k)
            w[stretch.whole ? k : offset[k]] = static_cast<W>(std::clamp(w_.data()[to[k]], T(0), T(1)));
    }
    stretches_.clear();
    voxels_ = 0;
}

template class VoxelBatch<float>;
template class VoxelBatch<double>;
template void VoxelBatch<float>::put_w(Board<float>&);
template void VoxelBatch<float>::put_w(Board<double>&);
template void VoxelBatch<double>::put_w(Board<float>&);
template void VoxelBatch<double>::put_w(Board<double>&);

} // namespace fastfuse
