// Readers of votes with few values: the keys of a thread's voxels.
//
//   code_i   index of rater i's vote among the values
//   key      Σ_i code_i sizeⁱ, the number of the vote pattern; 0 if all votes are 0
#pragma once

#include "cuda/votes.cuh"

namespace fastfuse::cuda {

constexpr int raters_together = 8; // whose votes are on their way at once

// --- bools and bytes ---

constexpr int packed_voxels = 16;
constexpr int packed_words = packed_voxels / 4;
struct alignas(packed_voxels) Words {
    std::uint32_t word[packed_words]; // a byte a voxel
};

__device__ inline Words read_words(const void* from, std::int64_t first, std::int64_t voxels) {
    if (first + packed_voxels <= voxels) return static_cast<const Words*>(from)[first / packed_voxels];
    Words words{};
    FASTFUSE_UNROLL
    for (int k = 0; k < packed_voxels; ++k)
        if (first + k < voxels)
            words.word[k / 4] |= std::uint32_t{static_cast<const std::uint8_t*>(from)[first + k]}
                                 << (8 * (k % 4));
    return words;
}

// Takes no Columns, which would have to lie in memory for it.
FASTFUSE_CALLED __device__ void note_strays_of(const void* vote, const std::uint8_t* mask, Count number,
                                               int raters, std::int64_t first, std::int64_t voxels,
                                               Strays* strays) {
    for (int k = 0; k < packed_voxels; ++k) {
        const bool inside = first + k < voxels && (!mask || mask[first + k] != 0);
        if (inside && static_cast<const std::uint8_t*>(vote)[first + k] > 1)
            note_first(&strays->vote.from_end, First::end - (number + static_cast<Count>(k) * raters));
    }
}

// Votes of 0 and 1 of at most 8 · bytes raters, sixteen voxels at a time; a byte holds those of eight raters.
template <int bytes> struct PackedReader {
    static constexpr int voxels = packed_voxels;
    struct Keys {
        Words bits[bytes];

        __device__ bool any(int word) const {
            std::uint32_t all = 0;
            FASTFUSE_UNROLL
            for (int b = 0; b < bytes; ++b)
                all |= bits[b].word[word];
            return all != 0;
        }
        __device__ std::uint32_t key(int k) const {
            std::uint32_t found = 0;
            FASTFUSE_UNROLL
            for (int b = 0; b < bytes; ++b)
                found |= (bits[b].word[k / 4] >> (8 * (k % 4)) & 0xffu) << (8 * b);
            return found;
        }
    };

    __device__ Keys read(const Columns& columns, std::int64_t first, Strays* strays) const {
        Keys keys{};
        FASTFUSE_UNROLL
        for (int b = 0; b < bytes; ++b)
            if (raters_together * b < columns.raters)
                keys.bits[b] = bits_of(columns, raters_together * b, first, strays);
        return keys;
    }

  private:
    // Bit i of a voxel's byte: the vote of rater from + i.
    __device__ static Words bits_of(const Columns& columns, int from, std::int64_t first, Strays* strays) {
        constexpr std::uint32_t ones = 0x01010101u;
        Words vote[raters_together];
        for_raters<raters_together>(columns.raters - from, [&](int i) {
            vote[i] = read_words(columns.vote[from + i], first, columns.voxels);
        });
        Words bits{};
        for_raters<raters_together>(columns.raters - from, [&](int i) {
            std::uint32_t all = 0;
            FASTFUSE_UNROLL
            for (int w = 0; w < packed_words; ++w) {
                all |= vote[i].word[w];
                bits.word[w] |= (vote[i].word[w] & ones) << i;
            }
            if ((all & ~ones) != 0)
                note_strays_of(columns.vote[from + i], columns.mask, number_of(columns, first, from + i),
                               columns.raters, first, columns.voxels, strays);
        });
        return bits;
    }
};

// --- all others ---

// Votes of any type, four voxels at a time. Vote: float if it holds every vote exactly, as most devices are
// slow with doubles. `most`: of the values.
template <class Vote, int most> struct ValueReader {
    static constexpr int voxels = quad;
    struct Keys {
        std::uint32_t own[quad];

        __device__ bool any(int) const { return (own[0] | own[1] | own[2] | own[3]) != 0; }
        __device__ std::uint32_t key(int k) const { return own[k]; }
    };
    Vote value[most];
    int size;

    __device__ Keys read(const Columns& columns, std::int64_t first, Strays* strays) const {
        Keys keys{};
        unsigned weight = 1; // sizeⁱ
        for (int from = 0; from < columns.raters; from += raters_together) {
            Vote vote[raters_together][quad];
            for_raters<raters_together>(columns.raters - from,
                                        [&](int i) { read_quad(columns, from + i, first, vote[i]); });
            for_raters<raters_together>(columns.raters - from, [&](int i) {
                FASTFUSE_UNROLL
                for (int k = 0; k < quad; ++k) {
                    int code = code_of(vote[i][k]);
                    if (code < 0) {
                        if (counts(columns, first + k)) note_stray(columns, first + k, from + i, strays);
                        code = 0;
                    }
                    keys.own[k] += static_cast<unsigned>(code) * weight;
                }
                weight *= static_cast<unsigned>(size);
            });
        }
        return keys;
    }

  private:
    __device__ int code_of(Vote vote) const {
        int code = -1;
        FASTFUSE_UNROLL
        for (int k = 0; k < most; ++k)
            if (k < size && vote == value[k]) code = k;
        return code;
    }
};

} // namespace fastfuse::cuda
