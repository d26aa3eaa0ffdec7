#include "engines/lanes/tiles.hpp"

#include <algorithm>
#include <type_traits>

namespace fastfuse {

template <class T>
TileReader<T>::TileReader(const Votes& votes)
    : votes_(votes), native_(votes.raters.size() + 2), raters_(votes.raters.size()),
      pointers_(votes.raters.size()), votes_copied_(votes.raters.size()) {
    ones_.fill(1);
    tile_.columns.raters = votes.size();
    tile_.columns.vote = pointers_.data();
}

template <class T> const std::byte* TileReader<T>::in_native_layout(const View& view, std::size_t copy) {
    return native_run(view, votes_.shape, tile_.first, tile_.voxels, native_[copy]);
}

template <class T> bool TileReader<T>::nobody_votes() const {
    for (std::size_t i = 0; i < raters_.size(); ++i)
        if (!all_zero(raters_[i], tile_.voxels * size_of(votes_.raters[i].type))) return false;
    return true;
}

template <class T> void TileReader<T>::weigh() {
    tile_.inside = static_cast<double>(tile_.voxels);
    tile_.columns.weight = ones_.data();
    if (!votes_.mask && tile_.voxels == kernels::tile_voxels<T>) return;
    std::fill_n(wide_.begin(), tile_.voxels, 1.0);
    if (votes_.mask)
        widen_all(votes_.mask->type, in_native_layout(*votes_.mask, raters_.size()), tile_.voxels,
                  wide_.data());
    weight_.fill(0);
    tile_.inside = 0;
    for (std::size_t k = 0; k < static_cast<std::size_t>(tile_.voxels); ++k) {
        if (wide_[k] != 0 && wide_[k] != 1)
            throw BadInput(BadInput::Kind::mask, -1, tile_.first + static_cast<std::int64_t>(k), wide_[k]);
        weight_[k] = static_cast<T>(wide_[k]);
        tile_.inside += wide_[k];
    }
    tile_.columns.weight = weight_.data();
}

// Values of an array where voxels count, `elsewhere` at the other voxels.
template <class T>
const T* TileReader<T>::column(const View& view, const std::byte* from, T elsewhere, Column& copy) {
    constexpr Scalar own = std::is_same_v<T, float> ? Scalar::f32 : Scalar::f64;
    const bool all_count = tile_.columns.weight == ones_.data();
    const bool aligned = reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0;
    if (view.type == own && aligned && all_count) return reinterpret_cast<const T*>(from);
    if constexpr (std::is_same_v<T, double>) {
        if (all_count) {
            widen_all(view.type, from, tile_.voxels, copy.data());
            return copy.data();
        }
    }
    widen_all(view.type, from, tile_.voxels, wide_.data());
    copy.fill(elsewhere);
    for (std::size_t k = 0; k < static_cast<std::size_t>(tile_.voxels); ++k)
        if (tile_.columns.weight[k] != 0) copy[k] = static_cast<T>(wide_[k]);
    return copy.data();
}

template <class T> void TileReader<T>::begin(std::int64_t index) {
    tile_.first = index * kernels::tile_voxels<T>;
    tile_.voxels = std::min(kernels::tile_voxels<T>, votes_.voxels() - tile_.first);
    weigh();
}

template <class T> const Tile<T>& TileReader<T>::skip(std::int64_t index, double inside) {
    begin(index);
    tile_.inside = inside;
    tile_.empty = true;
    return tile_;
}

template <class T> const Tile<T>& TileReader<T>::read(std::int64_t index) {
    begin(index);
    for (std::size_t i = 0; i < raters_.size(); ++i)
        raters_[i] = in_native_layout(votes_.raters[i], i);
    tile_.empty = tile_.inside == 0 || (!votes_.prior && nobody_votes());
    if (tile_.empty) return tile_;
    for (std::size_t i = 0; i < raters_.size(); ++i)
        pointers_[i] = column(votes_.raters[i], raters_[i], 0, votes_copied_[i]);
    if (votes_.prior) {
        const std::byte* from = in_native_layout(*votes_.prior, raters_.size() + 1);
        tile_.columns.prior = column(*votes_.prior, from, T(0.5), prior_);
    }
    return tile_;
}

template class TileReader<float>;
template class TileReader<double>;

} // namespace fastfuse
