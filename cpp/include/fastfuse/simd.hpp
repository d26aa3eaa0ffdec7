// The instructions that fuse votes in vectors.
#pragma once

namespace fastfuse {

// Which set this processor, and the environment, let the kernels use: "avx512", "avx2" or "baseline".
const char* instruction_set();

} // namespace fastfuse
