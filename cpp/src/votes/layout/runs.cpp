#include "votes/layout/runs.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse {
namespace {

constexpr std::int64_t window_bytes = 32;                   // of the fastest axis: half a line of the cache
constexpr std::int64_t most_window = std::int64_t{1} << 22; // bytes; a larger one would not stay in a cache
constexpr std::int64_t tile_columns = 32;

// One tile: `columns` stretches of `rows` neighbouring items become rows of columns.
template <class T, std::int64_t rows, std::int64_t columns>
FASTFUSE_INLINE void transpose(const std::byte* from, std::ptrdiff_t step, std::byte* to, std::int64_t to_row,
                               std::ptrdiff_t ahead) {
    std::array<std::array<T, rows>, columns> tile;
    for (std::size_t c = 0; c < columns; ++c)
        std::memcpy(tile[c].data(), from + static_cast<std::ptrdiff_t>(c) * step, rows * sizeof(T));
    for (std::size_t c = 0; c < columns; ++c) // what no prefetcher foresees
        kernels::fetch(from + static_cast<std::ptrdiff_t>(c) * step + ahead);
    std::array<std::uint64_t, sizeof tile / 8> words; // most of masks are 0
    std::memcpy(words.data(), tile.data(), sizeof tile);
    std::uint64_t any = 0;
    for (const std::uint64_t word : words)
        any |= word;
    if (any == 0) {
        for (std::size_t r = 0; r < rows; ++r)
            std::memset(to + static_cast<std::int64_t>(r) * to_row, 0, columns * sizeof(T));
        return;
    }
    for (std::size_t r = 0; r < rows; ++r) {
        std::array<T, columns> row;
        for (std::size_t c = 0; c < columns; ++c)
            row[c] = tile[c][r];
        std::memcpy(to + static_cast<std::int64_t>(r) * to_row, row.data(), sizeof row);
    }
}

template <class T>
FASTFUSE_INLINE void transpose_some(const std::byte* from, std::ptrdiff_t step, std::int64_t rows,
                                    std::int64_t columns, std::byte* to, std::int64_t to_row,
                                    std::ptrdiff_t ahead) {
    constexpr auto item = static_cast<std::int64_t>(sizeof(T)), most_rows = window_bytes / item;
    if (rows == most_rows && columns == tile_columns)
        return transpose<T, most_rows, tile_columns>(from, step, to, to_row, ahead);
    for (std::int64_t c = 0; c < columns; ++c)
        for (std::int64_t r = 0; r < rows; ++r)
            std::memcpy(to + r * to_row + c * item, from + c * step + r * item, sizeof(T));
}

#define FASTFUSE_TRANSPOSE(T, name)                                                                          \
    FASTFUSE_CLONES void name(const std::byte* from, std::ptrdiff_t step, std::int64_t rows,                 \
                              std::int64_t columns, std::byte* to, std::int64_t to_row,                      \
                              std::ptrdiff_t ahead) {                                                        \
        transpose_some<T>(from, step, rows, columns, to, to_row, ahead);                                     \
    }
FASTFUSE_TRANSPOSE(std::uint8_t, transpose_bytes)
FASTFUSE_TRANSPOSE(std::uint16_t, transpose_halves)
FASTFUSE_TRANSPOSE(std::uint32_t, transpose_words)
FASTFUSE_TRANSPOSE(std::uint64_t, transpose_doubles)
#undef FASTFUSE_TRANSPOSE

} // namespace

NativeRuns::NativeRuns(const View& view, const std::vector<std::int64_t>& shape)
    : data_(view.data), item_(size_of(view.type)), in_place_(!view.swapped && contiguous(view, shape)),
      swapped_(view.swapped), cursor_(view.data, axes_of(view, shape)), fastest_(axes().size() - 1) {
    for (std::size_t axis = axes().size(); axis-- > 0;)
        if (axes()[axis].step == item_) fastest_ = axis;
    for (std::size_t axis = fastest_ + 1; axis < axes().size(); ++axis)
        inner_ *= axes()[axis].length;
    if (inner_ * window_bytes > most_window) fastest_ = axes().size() - 1;
}

const std::byte* NativeRuns::copied(std::int64_t first, std::int64_t n) {
    const bool by_window = fastest_ + 1 < axes().size();
    if (by_window && !in_window(first)) move_window(first);
    if (by_window && in_window(first + n - 1)) return window_.data() + (first - window_first_) * item_;
    const auto bytes = static_cast<std::size_t>(n * item_);
    if (by_window) {
        run_.resize(bytes);
        copy(first, n, run_.data());
        return run_.data();
    }
    cursor_.seek(first);
    if (cursor_.skip_zeros(n, item_)) { // most of masks
        if (zeros_.size() < bytes) zeros_.resize(bytes);
        return zeros_.data();
    }
    run_.resize(bytes);
    cursor_.seek(first);
    cursor_.copy(n, item_, run_.data());
    if (swapped_) swap_bytes(run_.data(), n, item_);
    return run_.data();
}

// Out of as many windows as it takes.
void NativeRuns::copy(std::int64_t first, std::int64_t n, std::byte* to) {
    for (const std::int64_t end = first + n; first < end;) {
        if (!in_window(first)) move_window(first);
        const std::int64_t some = std::min(end, window_first_ + indexes_ * inner_) - first;
        const std::byte* from = window_.data() + (first - window_first_) * item_;
        to = std::copy(from, from + some * item_, to);
        first += some;
    }
}

// To where a voxel is in it.
void NativeRuns::move_window(std::int64_t voxel) {
    const auto [length, step] = axes()[fastest_];
    const std::int64_t most = window_bytes / item_;
    const std::int64_t index = voxel / inner_ % length, begin = index - index % most;
    indexes_ = std::min(most, length - begin);
    window_first_ = (voxel / inner_ - index + begin) * inner_;
    window_.resize(static_cast<std::size_t>(most * inner_ * item_));
    const std::byte* from = data_ + begin * step;
    std::int64_t outer = voxel / inner_ / length;
    for (std::size_t axis = fastest_; axis-- > 0; outer /= axes()[axis].length)
        from += outer % axes()[axis].length * axes()[axis].step;
    fill_window(from);
    if (swapped_) swap_bytes(window_.data(), indexes_ * inner_, item_);
}

// `from`: the window's first voxel. Some columns at a time: each lies in a page of its own.
void NativeRuns::fill_window(const std::byte* from) {
    const auto transpose = item_ == 1   ? transpose_bytes
                           : item_ == 2 ? transpose_halves
                           : item_ == 4 ? transpose_words
                                        : transpose_doubles;
    const auto [length, step] = axes().back();
    constexpr std::ptrdiff_t lines_ahead = 4;
    const std::ptrdiff_t ahead = lines_ahead * axes()[axes().size() - 2].step;
    std::vector<std::int64_t> at(axes().size());
    const std::int64_t columns = std::min(tile_columns, length);
    for (std::int64_t next = 0; next < length; next += columns) {
        const std::int64_t c = std::min(next, length - columns); // the last one may overlap the one before
        const std::byte* line = from + c * step;
        for (std::int64_t done = 0; done < inner_; done += length) {
            transpose(line, step, indexes_, columns, window_.data() + (done + c) * item_, inner_ * item_,
                      ahead);
            for (std::size_t axis = axes().size() - 1; axis-- > fastest_ + 1;) { // carry like an odometer
                line += axes()[axis].step;
                if (++at[axis] < axes()[axis].length) break;
                line -= axes()[axis].length * axes()[axis].step;
                at[axis] = 0;
            }
        }
    }
}

} // namespace fastfuse
