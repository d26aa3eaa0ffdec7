#include "votes/masks/index.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "support/lanes.hpp"
#include "support/runs.hpp"
#include "support/simd.hpp"
#include "support/streaming.hpp"
#include "votes/blocks.hpp"

namespace fastfuse::masks {
namespace {

constexpr std::int64_t least_streamed = std::int64_t{3}
                                        << 23; // bytes; less stays in the cache for who reads it

// The values of a group's codes. Where these are 0 and one other, which has one bit, no table is read: the
// mask divides the group, or one rater marks in it.
template <class Code, class T>
FASTFUSE_INLINE void look_up_group(const Code* code, const T* value_of_code, T* to) {
    std::array<Code, static_cast<std::size_t>(group_voxels)> codes;
    std::memcpy(codes.data(), code, sizeof codes);
    std::array<std::uint64_t, sizeof codes / 8> words;
    std::memcpy(words.data(), code, sizeof words);
    std::uint64_t bits = 0;
    for (const std::uint64_t word : words)
        bits |= word;
    for (std::size_t shift = 32; shift >= 8 * sizeof(Code); shift /= 2)
        bits |= bits >> shift;
    const auto any = static_cast<Code>(bits);
    if ((any & (any - 1)) == 0) {
        const T none = value_of_code[0], other = value_of_code[any];
        for (std::size_t k = 0; k < codes.size(); ++k)
            to[k] = codes[k] == 0 ? none : other;
        return;
    }
    for (std::size_t k = 0; k < codes.size(); ++k)
        to[k] = value_of_code[codes[k]];
}

#define FASTFUSE_LOOK_UP(Code, T)                                                                            \
    FASTFUSE_CLONES void look_up_values(const Code* code, const T* value_of_code, T* to) {                   \
        look_up_group(code, value_of_code, to);                                                              \
    }
FASTFUSE_LOOK_UP(std::uint8_t, float)
FASTFUSE_LOOK_UP(std::uint8_t, double)
FASTFUSE_LOOK_UP(std::uint8_t, std::int32_t)
FASTFUSE_LOOK_UP(std::uint16_t, float)
FASTFUSE_LOOK_UP(std::uint16_t, double)
FASTFUSE_LOOK_UP(std::uint16_t, std::int32_t)
#undef FASTFUSE_LOOK_UP

// Runs of one block's values, to where they go.
template <class T> class Writer {
  public:
    Writer(T* to, bool streams) : to_(to), streams_(streams) {}

    void fill(std::int64_t n, T value) {
        constexpr std::int64_t in_pattern = 16 / sizeof(T);
        std::array<T, in_pattern> pattern;
        pattern.fill(value);
        const std::int64_t whole = streams_ ? n - n % in_pattern : 0;
        stream_fill(to_, pattern.data(), whole * static_cast<std::int64_t>(sizeof(T)));
        std::fill(to_ + whole, to_ + n, value);
        to_ += n;
    }

    template <class Code> void look_up(const Code* code, std::int64_t n, const T* value_of_code) {
        std::array<T, static_cast<std::size_t>(group_voxels)> values;
        if (n == group_voxels) look_up_values(code, value_of_code, values.data());
        for (std::int64_t k = 0; n < group_voxels && k < n; ++k) // the volume ends in the group
            values[static_cast<std::size_t>(k)] = value_of_code[code[k]];
        if (streams_ && n == group_voxels)
            stream(to_, values.data(), sizeof values);
        else
            std::copy_n(values.begin(), n, to_);
        to_ += n;
    }

  private:
    T* to_;
    bool streams_;
};

} // namespace

// The patterns of a block's busy groups; returns where they begin.
template <class Code>
const Code* CodeIndex<Code>::codes_of(std::int64_t block, std::vector<Code>& room) const {
    const std::int64_t first = block * block_voxels, n = std::min(block_voxels, voxels_ - first);
    room.resize(static_cast<std::size_t>(block_voxels));
    std::memcpy(room.data(), notes_.template place<Code>(first), static_cast<std::size_t>(n) * sizeof(Code));
    return room.data();
}

template <class Code>
template <class T>
void CodeIndex<Code>::spread(const std::vector<T>& value_of_code, T outside, T* to, const Team& team) const {
    const auto blocks = static_cast<std::int64_t>(groups_.size());
    const bool streams = voxels_ * static_cast<std::int64_t>(sizeof(T)) >= least_streamed;
    const auto spread_block = [&](std::int64_t block, std::vector<Code>& room) {
        const std::int64_t first = block * block_voxels, end = std::min(first + block_voxels, voxels_);
        const UniformGroups& groups = groups_[static_cast<std::size_t>(block)];
        const std::uint64_t zero = groups.zero, out = groups.outside;
        Writer<T> writer(to + first, streams);
        if (zero == ~std::uint64_t{0}) return writer.fill(end - first, value_of_code[0]);
        if (out == ~std::uint64_t{0}) return writer.fill(end - first, outside);
        const Code* code = codes_of(block, room);
        for (std::int64_t begin = first, group = 0; begin < end; begin += group_voxels, ++group) {
            const std::int64_t n = std::min(group_voxels, end - begin);
            if (zero >> group & 1)
                writer.fill(n, value_of_code[0]);
            else if (out >> group & 1)
                writer.fill(n, outside);
            else
                writer.look_up(std::exchange(code, code + n), n, value_of_code.data());
        }
    };
    PerThread<std::vector<Code>> rooms(team);
    in_runs(blocks, team, [&](std::int64_t begin, std::int64_t end, const Worker& worker) {
        auto& room = rooms.of(worker, [] { return std::vector<Code>(); });
        for (std::int64_t block = begin; block < end; ++block)
            spread_block(block, room);
        if (streams) end_stream();
    });
}

template <class Code>
void CodeIndex<Code>::write(const std::vector<double>& value_of_row, const Output& to,
                            const Team& team) const {
    const auto write_as = [&](auto* place) {
        using T = std::remove_pointer_t<decltype(place)>;
        std::vector<T> value(row_of_code_.size()); // 0 outside the mask
        for (std::size_t code = 0; code < value.size(); ++code)
            if (row_of_code_[code] >= 0)
                value[code] = static_cast<T>(value_of_row[static_cast<std::size_t>(row_of_code_[code])]);
        spread(value, T{0}, place, team);
    };
    if (to.wide)
        write_as(to.template place<double>(0));
    else
        write_as(to.template place<float>(0));
}

template <class Code> void CodeIndex<Code>::rows_of_voxels(std::int32_t* row, const Team& team) const {
    spread(row_of_code_, -1, row, team);
}

template <class Code>
UniformGroups CodeIndex<Code>::rows_of_block(std::int64_t block, std::int32_t* row) const {
    const UniformGroups uniform = groups_[static_cast<std::size_t>(block)];
    const std::int64_t first = block * block_voxels, n = std::min(block_voxels, voxels_ - first);
    const Code* code = notes_.template place<Code>(first);
    for (std::int64_t begin = 0, group = 0; begin < n; begin += group_voxels, ++group) {
        if ((uniform.zero | uniform.outside) >> group & 1) continue;
        const std::int64_t some = std::min(group_voxels, n - begin);
        for (std::int64_t k = 0; k < some; ++k)
            row[begin + k] = row_of_code_[code[k]];
        code += some;
    }
    return uniform;
}

template class CodeIndex<std::uint8_t>;
template class CodeIndex<std::uint16_t>;

} // namespace fastfuse::masks
