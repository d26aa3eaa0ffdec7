#include "votes/layout/axes.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "fastfuse/array_view.hpp"
#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

// Bytes from an item to one that is read soon: prefetchers stop where lines end. Of lines that are read
// backwards, the next one may still lie ahead.
std::ptrdiff_t ahead_of(const Lines& lines) {
    constexpr std::ptrdiff_t soon = 2048;
    if (lines.step > 0) return soon;
    const std::ptrdiff_t line = std::abs(lines.line_step);
    if (line >= soon || line == 0) return -soon;
    return lines.line_step * ((soon + line - 1) / line);
}

// Copies a line of a step of so many items that is frequent: the compiler makes shuffles of it. A line is
// copied in chunks, the last of which may overlap the one before.
template <class T, int step>
FASTFUSE_INLINE void copy_step(const std::byte* from, std::int64_t n, std::ptrdiff_t ahead, std::byte* to) {
    constexpr auto item = static_cast<std::int64_t>(sizeof(T)), chunk = 64 / item;
    const auto copy_chunk = [&](std::int64_t first) {
        const std::byte* place = from + first * step * item;
        kernels::fetch(place + ahead);
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
FASTFUSE_INLINE void copy_by_steps(const Lines& lines, std::ptrdiff_t ahead, std::byte* to) {
    constexpr auto item = static_cast<std::ptrdiff_t>(sizeof(T));
    const std::byte* from = lines.from;
    for (std::int64_t line = 0; line < lines.lines;
         ++line, from += lines.line_step, to += lines.length * item) {
        if (lines.step == item)
            copy_step<T, 1>(from, lines.length, ahead, to);
        else if (lines.step == -item)
            copy_step<T, -1>(from, lines.length, ahead, to);
        else if (lines.step == 2 * item)
            copy_step<T, 2>(from, lines.length, ahead, to);
        else
            for (std::int64_t k = 0; k < lines.length; ++k)
                std::memcpy(to + k * item, from + k * lines.step, sizeof(T));
    }
}

#define FASTFUSE_COPY(T, name)                                                                               \
    FASTFUSE_CLONES void name(const Lines& lines, std::ptrdiff_t ahead, std::byte* to) {                     \
        copy_by_steps<T>(lines, ahead, to);                                                                  \
    }
FASTFUSE_COPY(std::uint8_t, copy_bytes)
FASTFUSE_COPY(std::uint16_t, copy_halves)
FASTFUSE_COPY(std::uint32_t, copy_words)
FASTFUSE_COPY(std::uint64_t, copy_doubles)
#undef FASTFUSE_COPY

void copy_lines(const Lines& lines, std::int64_t item, std::byte* to) {
    const std::ptrdiff_t ahead = ahead_of(lines);
    switch (item) {
    case 1: return copy_bytes(lines, ahead, to);
    case 2: return copy_halves(lines, ahead, to);
    case 4: return copy_words(lines, ahead, to);
    default: return copy_doubles(lines, ahead, to);
    }
}

using Word = kernels::Lanes<std::uint64_t, 64>;

// Of eight bytes of a line, those that count; `last`: of the word that ends where the line ends.
struct Counted {
    std::uint64_t each, last;
};

// Whether the bytes that count are zeros; the last word may overlap the one before.
template <class W>
FASTFUSE_INLINE bool is_zero(const std::byte* from, std::int64_t bytes, const Counted& counted) {
    constexpr auto word_bytes = static_cast<std::int64_t>(sizeof(W));
    W each{}, last{}, word;
    std::int64_t k = 0;
    for (; k + word_bytes <= bytes; k += word_bytes) {
        std::memcpy(&word, from + k, sizeof word);
        each |= word;
    }
    if (k < bytes) std::memcpy(&last, from + bytes - word_bytes, sizeof last);
    return !kernels::any_bit((each & counted.each) | (last & counted.last));
}

// Whether lines of so many bytes, the first one at `from`, hold zeros where bytes count.
FASTFUSE_CLONES bool are_zero(const std::byte* from, std::int64_t bytes, std::int64_t lines,
                              std::ptrdiff_t line_step, const Counted& counted) {
    const bool is_long = bytes >= static_cast<std::int64_t>(sizeof(Word));
    for (std::int64_t line = 0; line < lines; ++line, from += line_step)
        if (!(is_long ? is_zero<Word>(from, bytes, counted) : is_zero<std::uint64_t>(from, bytes, counted)))
            return false;
    return true;
}

// Whether all items are zeros; false also where that is not told fast.
bool are_zero(const Lines& lines, std::int64_t item) {
    constexpr auto all = ~std::uint64_t{0};
    const std::ptrdiff_t step = std::abs(lines.step);
    const std::int64_t bytes = (lines.length - 1) * step + item;
    Counted counted{all, all};
    if (step == 2 * item && item < 8) {
        counted.each = all / ((std::uint64_t{1} << 8 * item) + 1); // every second item
        counted.last = ~counted.each;
    } else if (step != item) {
        return false;
    }
    if (bytes < 8) {
        for (std::int64_t k = 0; k < lines.lines * lines.length; ++k)
            if (!all_zero(lines.from + k / lines.length * lines.line_step + k % lines.length * lines.step,
                          item))
                return false;
        return true;
    }
    const std::byte* first = lines.step < 0 ? lines.from + (lines.length - 1) * lines.step : lines.from;
    return are_zero(first, bytes, lines.lines, lines.line_step, counted);
}

// Neighbours of 8 bits change places, then those of 16, then those of 32. `L`: one item or some.
template <class T, class L> FASTFUSE_INLINE void swap_at(std::byte* place) {
    L items;
    std::memcpy(&items, place, sizeof items);
    for (std::size_t bits = 8; bits < 8 * sizeof(T); bits *= 2) {
        const T every_second = static_cast<T>(static_cast<T>(~T{0}) / ((T{1} << bits) + 1));
        items = static_cast<L>((items & every_second) << bits | (items >> bits & every_second));
    }
    std::memcpy(place, &items, sizeof items);
}

template <class T> FASTFUSE_INLINE void swap_each(std::byte* items, std::int64_t n) {
    using Some = kernels::Lanes<T, 64>;
    constexpr auto item = static_cast<std::int64_t>(sizeof(T)),
                   some = static_cast<std::int64_t>(sizeof(Some));
    std::int64_t k = 0;
    for (; k + some <= n * item; k += some)
        swap_at<T, Some>(items + k);
    for (; k < n * item; k += item)
        swap_at<T, T>(items + k);
}

#define FASTFUSE_SWAP(T, name)                                                                               \
    FASTFUSE_CLONES void name(std::byte* items, std::int64_t n) { swap_each<T>(items, n); }
FASTFUSE_SWAP(std::uint16_t, swap_halves)
FASTFUSE_SWAP(std::uint32_t, swap_words)
FASTFUSE_SWAP(std::uint64_t, swap_doubles)
#undef FASTFUSE_SWAP

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

// As an odometer does.
void Cursor::carry(std::size_t axis) {
    for (; axis > 0 && at_[axis] == axes_[axis].length; --axis) {
        place_ += axes_[axis - 1].step - axes_[axis].length * axes_[axis].step;
        at_[axis] = 0;
        ++at_[axis - 1];
    }
}

// Calls `use(lines)` for the next n items, whole lines together, as long as it returns true.
template <class Use> bool Cursor::walk(std::int64_t n, const Use& use) {
    const std::size_t last = axes_.size() - 1, before = last == 0 ? 0 : last - 1;
    const auto [length, step] = axes_[last];
    const std::ptrdiff_t line_step = last == 0 ? length * step : axes_[before].step;
    next_ += n;
    while (n > 0) {
        const bool whole = last > 0 && at_[last] == 0 && n >= length;
        const std::int64_t lines = whole ? std::min(n / length, axes_[before].length - at_[before]) : 1;
        const std::int64_t items = whole ? length : std::min(length - at_[last], n);
        if (!use(Lines{place_, step, items, lines, line_step})) {
            next_ = -1;
            return false;
        }
        n -= lines * items;
        place_ += whole ? lines * line_step : items * step;
        at_[whole ? before : last] += whole ? lines : items;
        carry(whole ? before : last);
    }
    return true;
}

void Cursor::copy(std::int64_t n, std::int64_t item, std::byte* to) {
    walk(n, [&](const Lines& lines) {
        copy_lines(lines, item, to);
        to += lines.lines * lines.length * item;
        return true;
    });
}

const std::byte* Cursor::soon(std::int64_t bytes) const {
    const std::size_t last = axes_.size() - 1;
    const bool backwards = axes_[last].step < 0;
    if (last > 0 && axes_[last - 1].step < 0) return place_ - bytes;
    return backwards ? place_ + (axes_[last].length - at_[last] - 1) * axes_[last].step : place_;
}

bool Cursor::skip_zeros(std::int64_t n, std::int64_t item) {
    return walk(n, [&](const Lines& lines) { return are_zero(lines, item); });
}

void swap_bytes(std::byte* items, std::int64_t n, std::int64_t item) {
    switch (item) {
    case 1: return;
    case 2: return swap_halves(items, n);
    case 4: return swap_words(items, n);
    default: return swap_doubles(items, n);
    }
}

} // namespace fastfuse
