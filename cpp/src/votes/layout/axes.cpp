#include "votes/layout/axes.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "fastfuse/array_view.hpp"
#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

// Steps of so many items that are frequent: the compiler makes shuffles of them. A line is copied in chunks,
// the last of which may overlap the one before.
template <class T, int step>
FASTFUSE_INLINE void copy_step(const std::byte* from, std::int64_t n, std::byte* to) {
    constexpr auto item = static_cast<std::int64_t>(sizeof(T)), chunk = 64 / item;
    constexpr std::int64_t ahead = 2048; // bytes to ask for: prefetchers stop where lines end
    const auto copy_chunk = [&](std::int64_t first) {
        kernels::fetch(from + first * step * item + (step < 0 ? -ahead : ahead));
        const std::byte* place = from + first * step * item;
        constexpr auto n_chunk = static_cast<std::size_t>(chunk);
        std::array<T, n_chunk> values, near, far; // items from the first of the chunk on, and up to the last
        if constexpr (step == -1) {
            std::memcpy(near.data(), place - (chunk - 1) * item, sizeof near);
            for (std::size_t k = 0; k < n_chunk; ++k)
                values[k] = near[n_chunk - 1 - k];
        } else if constexpr (step == 2) {
            std::memcpy(near.data(), place, sizeof near);
            std::memcpy(far.data(), place + (chunk - 1) * item, sizeof far);
            for (std::size_t k = 0; k < n_chunk / 2; ++k)
                values[k] = near[2 * k];
            for (std::size_t k = n_chunk / 2; k < n_chunk; ++k)
                values[k] = far[2 * k - (n_chunk - 1)];
        } else {
            static_assert(step == 1);
            std::memcpy(values.data(), place, sizeof values);
        }
        std::memcpy(to + first * item, values.data(), sizeof values);
    };
    std::int64_t k = 0;
    for (; k + chunk <= n; k += chunk)
        copy_chunk(k);
    if (k < n && n >= chunk) return copy_chunk(n - chunk);
    for (; k < n; ++k)
        std::memcpy(to + k * item, from + k * step * item, sizeof(T));
}

template <class T>
FASTFUSE_INLINE void copy_steps(const std::byte* from, std::ptrdiff_t step, std::int64_t n, std::byte* to) {
    constexpr auto item = static_cast<std::ptrdiff_t>(sizeof(T));
    if (step == item) return copy_step<T, 1>(from, n, to);
    if (step == -item) return copy_step<T, -1>(from, n, to);
    if (step == 2 * item) return copy_step<T, 2>(from, n, to);
    for (std::int64_t k = 0; k < n; ++k)
        std::memcpy(to + k * item, from + k * step, sizeof(T));
}

#define FASTFUSE_COPY(T, name)                                                                               \
    FASTFUSE_CLONES void name(const std::byte* from, std::ptrdiff_t step, std::int64_t n, std::byte* to) {   \
        copy_steps<T>(from, step, n, to);                                                                    \
    }
FASTFUSE_COPY(std::uint8_t, copy_bytes)
FASTFUSE_COPY(std::uint16_t, copy_halves)
FASTFUSE_COPY(std::uint32_t, copy_words)
FASTFUSE_COPY(std::uint64_t, copy_doubles)
#undef FASTFUSE_COPY

// Copies n items that lie `step` bytes apart.
void copy_line(const std::byte* from, std::ptrdiff_t step, std::int64_t n, std::int64_t item, std::byte* to) {
    switch (item) {
    case 1: return copy_bytes(from, step, n, to);
    case 2: return copy_halves(from, step, n, to);
    case 4: return copy_words(from, step, n, to);
    default: return copy_doubles(from, step, n, to);
    }
}

} // namespace

std::vector<Axis> axes_of(const View& view, const std::vector<std::int64_t>& shape) {
    std::vector<Axis> axes;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        if (shape[axis] == 1) continue;
        const Axis next{shape[axis], view.strides[axis]};
        if (!axes.empty() && axes.back().step == next.step * next.length)
            axes.back() = {axes.back().length * next.length, next.step};
        else
            axes.push_back(next);
    }
    if (axes.empty()) axes.push_back({1, static_cast<std::ptrdiff_t>(size_of(view.type))});
    return axes;
}

void Cursor::seek(std::int64_t item) {
    if (item == next_) return;
    next_ = item;
    place_ = begin_;
    for (std::size_t axis = axes_.size(); axis-- > 0; item /= axes_[axis].length) {
        at_[axis] = item % axes_[axis].length;
        place_ += at_[axis] * axes_[axis].step;
    }
}

void Cursor::copy(std::int64_t n, std::int64_t item, std::byte* to) {
    const std::size_t last = axes_.size() - 1;
    const auto [length, step] = axes_[last];
    next_ += n;
    while (n > 0) {
        const std::int64_t some = std::min(length - at_[last], n);
        copy_line(place_, step, some, item, to);
        n -= some;
        to += some * item;
        place_ += some * step;
        at_[last] += some;
        for (std::size_t axis = last; at_[axis] == axes_[axis].length && axis > 0; --axis) { // as an odometer
            place_ += axes_[axis - 1].step - axes_[axis].length * axes_[axis].step;
            at_[axis] = 0;
            ++at_[axis - 1];
        }
    }
}

void swap_bytes(std::byte* items, std::int64_t n, std::int64_t item) {
    for (std::int64_t k = 0; k < n; ++k)
        std::reverse(items + k * item, items + (k + 1) * item);
}

} // namespace fastfuse
