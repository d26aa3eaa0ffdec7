#include "engines/lanes/tiles.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <type_traits>

#include "votes/masks/marks.hpp"
#include "votes/missing/nan.hpp"

namespace fastfuse {

template <class T>
TileReader<T>::TileReader(const Votes& votes)
    : votes_(votes), raters_(votes.raters.size()), next_(votes.raters.size()), pointers_(votes.raters.size()),
      votes_copied_(votes.raters.size()) {
    for (const View& view : votes.raters)
        runs_.emplace_back(view, votes.shape);
    if (votes.mask) mask_.emplace(*votes.mask, votes.shape);
    if (votes.prior) prior_map_.emplace(*votes.prior, votes.shape);
    for (const std::optional<View>& view : votes.present)
        present_.push_back(view ? std::make_optional<NativeRuns>(*view, votes.shape) : std::nullopt);
    seen_.resize(present_.size());
    looked_.resize(present_.size());
    ones_.fill(1);
    tile_.columns.raters = votes.size();
    tile_.columns.vote = pointers_.data();
    tile_.columns.next = next_.data();
}

template <class T> bool TileReader<T>::nobody_votes() const {
    for (std::size_t i = 0; i < raters_.size(); ++i)
        if (!all_zero(raters_[i], tile_.voxels * size_of(votes_.raters[i].type))) return false;
    return true;
}

template <class T> void TileReader<T>::weigh() {
    tile_.inside = static_cast<double>(tile_.voxels);
    tile_.columns.weight = ones_.data();
    const bool whole = tile_.voxels == kernels::tile_voxels<T>;
    if (!votes_.mask && whole) return;
    if (votes_.mask) {
        read_mask();
        if (whole && tile_.inside == static_cast<double>(tile_.voxels)) return;
    } else {
        std::fill_n(inside_.begin(), tile_.voxels, std::uint8_t{1});
    }
    std::copy_n(inside_.begin(), tile_.voxels, weight_.begin());
    std::fill(weight_.begin() + tile_.voxels, weight_.end(), T(0));
    tile_.columns.weight = weight_.data();
}

template <class T> void TileReader<T>::read_mask() {
    const std::byte* from = mask_->at(tile_.first, tile_.voxels);
    if (!masks::read_ones(votes_.mask->type, from, tile_.voxels, inside_.data())) {
        std::array<double, kernels::tile_voxels<T>> values;
        widen_all(votes_.mask->type, from, tile_.voxels, values.data());
        for (std::int64_t k = 0; k < tile_.voxels; ++k)
            if (const double value = values[static_cast<std::size_t>(k)]; value != 0 && value != 1)
                throw BadInput(BadInput::Kind::mask, -1, tile_.first + k, value);
    }
    tile_.inside = std::accumulate(inside_.begin(), inside_.begin() + tile_.voxels, 0);
}

// Values of an array where voxels count, `elsewhere` at the other voxels.
template <class T>
const T* TileReader<T>::column(const View& view, const std::byte* from, T elsewhere, Column& copy) {
    constexpr Scalar own = std::is_same_v<T, float> ? Scalar::f32 : Scalar::f64;
    const bool all_count = tile_.columns.weight == ones_.data();
    const bool aligned = reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0;
    if (view.type == own && aligned && all_count) return reinterpret_cast<const T*>(from);
    convert_all(view.type, from, tile_.voxels, copy.data());
    if (all_count) return copy.data();
    keep(copy.data(), tile_.columns.weight, elsewhere, tile_.voxels, copy.data());
    std::fill(copy.begin() + tile_.voxels, copy.end(), elsewhere);
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

template <class T> void TileReader<T>::read_columns() {
    for (std::size_t i = 0; i < raters_.size(); ++i)
        pointers_[i] = column(votes_.raters[i], raters_[i], 0, votes_copied_[i]);
    if (votes_.prior)
        tile_.columns.prior =
            column(*votes_.prior, prior_map_->at(tile_.first, tile_.voxels), T(0.5), prior_);
}

template <class T> const Tile<T>& TileReader<T>::read(std::int64_t index, bool whole) {
    begin(index);
    tile_.empty = tile_.inside == 0;
    tile_.partial = false;
    if (tile_.empty) return tile_;
    for (std::size_t i = 0; i < raters_.size(); ++i) {
        raters_[i] = runs_[i].at(tile_.first, tile_.voxels);
        next_[i] = runs_[i].soon(tile_.first + kernels::tile_voxels<T>, kernels::tile_voxels<T>);
    }
    whole |= !votes_.may_miss();
    const bool all_looked = whole || read_seen();
    tile_.empty = !votes_.prior && all_looked && nobody_votes();
    if (tile_.empty) return tile_;
    read_columns();
    if (!whole && find_voters()) set_partial_aside();
    return tile_;
}

template <class T> const Tile<T>& TileReader<T>::read_partial(std::int64_t index) {
    begin(index);
    for (std::size_t i = 0; i < raters_.size(); ++i)
        raters_[i] = runs_[i].at(tile_.first, tile_.voxels);
    read_seen();
    read_columns();
    if (!find_voters()) voters_.fill(all_of(votes_.size())); // the caller has changed the votes since
    return tile_;
}

// Returns whether all raters have looked at every voxel that counts.
template <class T> bool TileReader<T>::read_seen() {
    bool all = true;
    for (std::size_t i = 0; i < present_.size(); ++i) {
        looked_[i] = !present_[i] || read_seen_by(i);
        all &= looked_[i];
    }
    return all;
}

template <class T> bool TileReader<T>::read_seen_by(std::size_t rater) {
    const Scalar type = votes_.present[rater]->type;
    const std::byte* from = present_[rater]->at(tile_.first, tile_.voxels);
    if (size_of(type) == 1 && masks::are_ones(reinterpret_cast<const std::uint8_t*>(from), tile_.voxels))
        return true;
    Bytes& seen = seen_[rater];
    if (masks::read_ones(type, from, tile_.voxels, seen.data())) {
        if (std::memchr(seen.data(), 0, static_cast<std::size_t>(tile_.voxels)) == nullptr) return true;
    } else {
        std::array<double, kernels::tile_voxels<T>> values;
        widen_all(type, from, tile_.voxels, values.data());
        for (std::size_t k = 0; k < static_cast<std::size_t>(tile_.voxels); ++k) {
            if (tile_.columns.weight[k] != 0 && values[k] != 0 && values[k] != 1)
                throw BadInput(BadInput::Kind::present, static_cast<int>(rater),
                               tile_.first + static_cast<std::int64_t>(k), values[k]);
            seen[k] = values[k] != 0;
        }
    }
    for (std::size_t k = 0; k < seen.size(); ++k)
        seen[k] |= tile_.columns.weight[k] == 0;
    return false;
}

// Returns whether somebody does not vote on a voxel that counts; only then it tells who does.
template <class T> bool TileReader<T>::find_voters() {
    constexpr std::int64_t n = kernels::tile_voxels<T>;
    bool missed = false;
    for (std::size_t i = 0; i < raters_.size(); ++i) {
        const bool drops_nan = votes_.missing == Missing::nan && has_nan(pointers_[i], n);
        const bool drops_unseen = !present_.empty() && !looked_[i];
        if (!drops_nan && !drops_unseen) continue;
        if (!missed) voters_.fill(all_of(votes_.size()));
        missed = true;
        const Voters rater = Voters{1} << i;
        if (drops_nan) drop_nan(pointers_[i], rater, n, voters_.data());
        if (drops_unseen) drop_unseen(seen_[i].data(), rater, n, voters_.data());
    }
    return missed;
}

// Takes the voxels on which not all raters vote out of the tile.
template <class T> void TileReader<T>::set_partial_aside() {
    constexpr std::int64_t n = kernels::tile_voxels<T>;
    tile_.inside =
        keep_weight(tile_.columns.weight, voters_.data(), all_of(votes_.size()), n, weight_.data());
    tile_.columns.weight = weight_.data();
    for (std::size_t i = 0; i < raters_.size(); ++i) {
        keep(pointers_[i], weight_.data(), 0, n, votes_copied_[i].data());
        pointers_[i] = votes_copied_[i].data();
    }
    if (votes_.prior) {
        keep(tile_.columns.prior, weight_.data(), T(0.5), n, prior_.data());
        tile_.columns.prior = prior_.data();
    }
    tile_.partial = true;
    tile_.empty = tile_.inside == 0;
}

template class TileReader<float>;
template class TileReader<double>;

} // namespace fastfuse
