// Reads votes on the device as numbers, and writes the consensus. CPU counterpart: votes/array_view.cpp.
#pragma once

#include "cuda/kernels.hpp"

namespace fastfuse::cuda {

constexpr int quad = 4; // voxels that a thread processes together

__device__ inline float half_to_float(std::uint16_t half) {
    const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
    const std::uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
    if (exponent == 0) { // zero or denormal: mantissa · 2^−24
        const float value = static_cast<float>(mantissa) * 5.9604644775390625e-8f;
        return sign ? -value : value;
    }
    const std::uint32_t rebased = exponent == 31 ? 255u : exponent + 112u;
    const std::uint32_t bits = sign | rebased << 23 | mantissa << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

FASTFUSE_CALLED __device__ double read_scalar(Scalar type, const void* from, std::int64_t voxel) {
    switch (type) {
    case Scalar::boolean:
    case Scalar::u8: return static_cast<const std::uint8_t*>(from)[voxel];
    case Scalar::i8: return static_cast<const std::int8_t*>(from)[voxel];
    case Scalar::u16: return static_cast<const std::uint16_t*>(from)[voxel];
    case Scalar::i16: return static_cast<const std::int16_t*>(from)[voxel];
    case Scalar::u32: return static_cast<const std::uint32_t*>(from)[voxel];
    case Scalar::i32: return static_cast<const std::int32_t*>(from)[voxel];
    case Scalar::u64: return static_cast<double>(static_cast<const std::uint64_t*>(from)[voxel]);
    case Scalar::i64: return static_cast<double>(static_cast<const std::int64_t*>(from)[voxel]);
    case Scalar::f16: return half_to_float(static_cast<const std::uint16_t*>(from)[voxel]);
    case Scalar::f32: return static_cast<const float*>(from)[voxel];
    case Scalar::f64: return static_cast<const double*>(from)[voxel];
    }
    return 0;
}

__device__ inline double read_vote(const Columns& columns, int rater, std::int64_t voxel) {
    return columns.floats ? static_cast<const float*>(columns.vote[rater])[voxel]
                          : read_scalar(columns.type[rater], columns.vote[rater], voxel);
}

// Values of neighbouring voxels, read and written together.
template <class T, int size> struct alignas(size * sizeof(T) < 16 ? size * sizeof(T) : 16) Several {
    T value[size];
};
template <class T> using Four = Several<T, quad>;

// The rater's votes at voxels first … first + 3; 0 beyond the last voxel.
template <class T> __device__ void read_quad(const Columns& columns, int rater, std::int64_t first, T* vote) {
    if (columns.floats && first + quad <= columns.voxels) {
        const Four<float> four = static_cast<const Four<float>*>(columns.vote[rater])[first / quad];
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k)
            vote[k] = four.value[k];
    } else if (columns.bytes && first + quad <= columns.voxels) {
        const Four<std::uint8_t> four =
            static_cast<const Four<std::uint8_t>*>(columns.vote[rater])[first / quad];
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k)
            vote[k] = four.value[k];
    } else {
        FASTFUSE_UNROLL
        for (int k = 0; k < quad; ++k)
            vote[k] =
                first + k < columns.voxels ? static_cast<T>(read_vote(columns, rater, first + k)) : T(0);
    }
}

__device__ inline bool counts(const Columns& columns, std::int64_t voxel) {
    return voxel < columns.voxels && (!columns.mask || columns.mask[voxel] != 0);
}

// Calls f with what reads rater i's vote at a voxel, float or double: one decision for many votes, so that
// they are on their way at once.
template <class F> __device__ void by_type(const Columns& columns, const F& f) {
    if (columns.floats)
        f([&](int i, std::int64_t voxel) { return static_cast<const float*>(columns.vote[i])[voxel]; });
    else
        f([&](int i, std::int64_t voxel) { return read_scalar(columns.type[i], columns.vote[i], voxel); });
}

// Votes of the first `most` raters at voxels first, first + apart …; 0 for a rater or a voxel that is not
// there, and outside the mask. All are on their way at once.
template <int many, int most, class T>
__device__ void read_votes(const Columns& columns, std::int64_t first, std::int64_t apart,
                           T (&vote)[many][most]) {
    bool inside[many];
    FASTFUSE_UNROLL
    for (int k = 0; k < many; ++k)
        inside[k] = counts(columns, first + k * apart);
    by_type(columns, [&](const auto& read) {
        FASTFUSE_UNROLL
        for (int k = 0; k < many; ++k)
            FASTFUSE_UNROLL
        for (int i = 0; i < most; ++i)
            vote[k][i] = i < columns.raters && inside[k] ? static_cast<T>(read(i, first + k * apart)) : T(0);
    });
}

// Calls f(i) for every rater. Loops over at most 16 raters are unrolled, so that arrays stay in registers.
template <int most, class F> __device__ void for_raters(int raters, const F& f) {
    if constexpr (most <= most_dense_raters) {
        FASTFUSE_UNROLL
        for (int i = 0; i < most; ++i)
            if (i < raters) f(i);
    } else {
        for (int i = 0; i < raters; ++i)
            f(i);
    }
}

// A quad's elements of the mask, a byte each; 0 beyond the last voxel.
constexpr std::uint32_t inside_all = 0x01010101u;
__device__ inline std::uint32_t inside_quad(const Columns& columns, std::int64_t first) {
    const bool whole = first + quad <= columns.voxels;
    if (!columns.mask && whole) return inside_all;
    if (whole && reinterpret_cast<std::uintptr_t>(columns.mask) % quad == 0)
        return reinterpret_cast<const std::uint32_t*>(columns.mask)[first / quad];
    std::uint32_t inside = 0;
    for (int k = 0; k < quad; ++k)
        if (first + k < columns.voxels)
            inside |= std::uint32_t{columns.mask ? columns.mask[first + k] : std::uint8_t{1}} << (8 * k);
    return inside;
}

__device__ inline Count number_of(const Columns& columns, std::int64_t voxel, int rater) {
    return static_cast<Count>(voxel) * columns.raters + rater; // as in Strays
}

// Looks before it waits for other threads, as there may be many.
__device__ inline void note_first(Count* from_end, Count own) {
    if (*static_cast<volatile Count*>(from_end) < own) atomicMax(from_end, own);
}
// Notes an invalid vote, or an invalid element of the mask.
__device__ inline void note_stray(const Columns& columns, std::int64_t voxel, int rater, Strays* strays) {
    note_first(&strays->vote.from_end, First::end - number_of(columns, voxel, rater));
}
__device__ inline void note_stray_mask(const Columns& columns, std::int64_t voxel, Strays* strays) {
    if (columns.mask && columns.mask[voxel] > 1)
        note_first(&strays->mask.from_end, First::end - static_cast<Count>(voxel));
}

// Writes values up to the last voxel. `to` must be aligned for them.
template <class T, int size>
__device__ void write_several(const Several<T, size>& values, std::int64_t first, std::int64_t voxels,
                              T* to) {
    if (first + size <= voxels) {
        *reinterpret_cast<Several<T, size>*>(to + first) = values;
        return;
    }
    for (int k = 0; k < size; ++k)
        if (first + k < voxels) to[first + k] = values.value[k];
}

// Writes a voxel's value.
__device__ inline void put(const Consensus& to, std::int64_t voxel, double value) {
    if (to.wide)
        static_cast<double*>(to.data)[voxel] = value;
    else
        static_cast<float*>(to.data)[voxel] = static_cast<float>(value);
}

// Whether a voxel lies outside the mask or the volume. Outside the mask the consensus is set to 0.
__device__ inline bool skips(const Columns& columns, std::int64_t voxel, const Consensus& to) {
    if (counts(columns, voxel)) return false;
    if (to.data && voxel < columns.voxels) put(to, voxel, 0);
    return true;
}

// A thread's first voxel or quad, and the distance to its next.
__device__ inline std::int64_t first_voxel() {
    return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t voxels_apart() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }
__device__ inline std::int64_t first_quad() { return first_voxel() * quad; }
__device__ inline std::int64_t quads_apart() { return voxels_apart() * quad; }

} // namespace fastfuse::cuda
