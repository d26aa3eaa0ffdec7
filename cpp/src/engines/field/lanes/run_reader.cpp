#include "engines/field/lanes/run_reader.hpp"

#include <algorithm>
#include <type_traits>

#include "votes/masks/marks.hpp"

namespace fastfuse {

template <class T> RunReader<T>::RunReader(const Votes& votes) : votes_(votes), copies_(votes.raters.size()) {
    for (const View& view : votes.raters)
        runs_.emplace_back(view, votes.shape);
    if (votes.mask) mask_.emplace(*votes.mask, votes.shape);
    if (votes.prior) prior_map_.emplace(*votes.prior, votes.shape);
}

template <class T> void RunReader<T>::begin(std::int64_t first, std::int64_t voxels) {
    first_ = first;
    voxels_ = voxels;
    if (!mask_) return;
    const std::byte* from = mask_->at(first, voxels);
    if (!masks::read_ones(votes_.mask->type, from, voxels, inside_.data())) { // true was written as 1.0
        std::array<double, run_voxels> values;
        widen_all(votes_.mask->type, from, voxels, values.data());
        std::transform(values.begin(), values.begin() + voxels, inside_.begin(),
                       [](double value) { return value != 0; });
    }
    all_inside_ = std::find(inside_.begin(), inside_.begin() + voxels, 0) == inside_.begin() + voxels;
}

template <class T> const T* RunReader<T>::votes_of(int rater) {
    constexpr Scalar own = std::is_same_v<T, float> ? Scalar::f32 : Scalar::f64;
    const auto i = static_cast<std::size_t>(rater);
    const Scalar type = votes_.raters[i].type;
    const std::byte* from = runs_[i].at(first_, voxels_);
    const bool aligned = reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0;
    if (type == own && aligned && all_inside_) return reinterpret_cast<const T*>(from);
    T* copy = copies_[i].data();
    convert_all(type, from, voxels_, copy);
    for (std::size_t k = 0; !all_inside_ && k < static_cast<std::size_t>(voxels_); ++k)
        copy[k] = inside_[k] ? copy[k] : T(0);
    return copy;
}

template <class T> const double* RunReader<T>::prior() {
    widen_all(votes_.prior->type, prior_map_->at(first_, voxels_), voxels_, prior_.data());
    return prior_.data();
}

template class RunReader<float>;
template class RunReader<double>;

} // namespace fastfuse
