// A vote as it lies on the device, as a number. The device's twin of view.cpp.
#pragma once

#include "cuda/kernels.hpp"

namespace fastfuse::cuda {

constexpr int quad = 4; // voxels that a thread takes at a time

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

__device__ inline double read_vote(const Columns& columns, int rater, std::int64_t voxel) {
    const void* from = columns.vote[rater];
    switch (columns.type[rater]) {
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

struct alignas(16) FourFloats {
    float value[quad];
};
struct alignas(4) FourBytes {
    std::uint8_t value[quad];
};

// Rater's votes on the voxels first … first + 3; 0 beyond the last.
template <class T> __device__ void read_quad(const Columns& columns, int rater, std::int64_t first, T* vote) {
    if (columns.floats && first + quad <= columns.voxels) {
        const FourFloats four = static_cast<const FourFloats*>(columns.vote[rater])[first / quad];
        for (int k = 0; k < quad; ++k)
            vote[k] = four.value[k];
    } else if (columns.bytes && first + quad <= columns.voxels) {
        const FourBytes four = static_cast<const FourBytes*>(columns.vote[rater])[first / quad];
        for (int k = 0; k < quad; ++k)
            vote[k] = four.value[k];
    } else {
        for (int k = 0; k < quad; ++k)
            vote[k] =
                first + k < columns.voxels ? static_cast<T>(read_vote(columns, rater, first + k)) : T(0);
    }
}

__device__ inline bool counts(const Columns& columns, std::int64_t voxel) {
    return voxel < columns.voxels && (!columns.mask || columns.mask[voxel] != 0);
}

// Writes a voxel's value, a double or a float.
__device__ inline void put(void* consensus, bool wide, std::int64_t voxel, double value) {
    if (wide)
        static_cast<double*>(consensus)[voxel] = value;
    else
        static_cast<float*>(consensus)[voxel] = static_cast<float>(value);
}

// Whether this thread's next voxels are to be looked at; `first` goes from quad to quad.
__device__ inline std::int64_t first_quad() {
    return (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * quad;
}
__device__ inline std::int64_t quads_apart() {
    return static_cast<std::int64_t>(gridDim.x) * blockDim.x * quad;
}

} // namespace fastfuse::cuda
