// A CUDA device, and the stream on which work for it queues.
#pragma once

#include <cstdint>

namespace fastfuse {

struct Place {
    int device = 0;
    std::uintptr_t stream = 0; // a cudaStream_t; 0 is the default one
};

} // namespace fastfuse
