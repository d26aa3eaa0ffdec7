// Reading arrays of any scalar type and layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastfuse/votes.hpp"

namespace fastfuse {

std::int64_t size_of(Scalar type);

// Converts n values in native layout to double.
void widen_all(Scalar type, const std::byte* from, std::int64_t n, double* to);

// Whether the view's voxels lie one after another in C order of the shape.
bool contiguous(const View& view, const std::vector<std::int64_t>& shape);

// Copies voxels first … first+n-1, in C order of the shape, into one run of memory, bytes in native order.
void gather(const View& view, const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t n,
            std::byte* to);

bool all_zero(const std::byte* from, std::int64_t bytes);

} // namespace fastfuse
