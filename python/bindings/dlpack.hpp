// DLPack's struct, version 0: how libraries hand tensors to one another. https://dmlc.github.io/dlpack/latest
#pragma once

#include <cstdint>

namespace fastfuse::bindings {

struct DLDevice {
    std::int32_t device_type;
    std::int32_t device_id;
};

struct DLDataType {
    std::uint8_t code;
    std::uint8_t bits;
    std::uint16_t lanes;
};

struct DLTensor {
    void* data;
    DLDevice device;
    std::int32_t ndim;
    DLDataType dtype;
    std::int64_t* shape;
    std::int64_t* strides; // in elements; null where the tensor is contiguous
    std::uint64_t byte_offset;
};

struct DLManagedTensor {
    DLTensor dl_tensor;
    void* manager_ctx;
    void (*deleter)(DLManagedTensor* self);
};

constexpr std::int32_t dl_cpu = 1, dl_cuda = 2;
constexpr std::uint8_t dl_int = 0, dl_uint = 1, dl_float = 2, dl_bool = 6;

} // namespace fastfuse::bindings
