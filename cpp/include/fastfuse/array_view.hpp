// One array as the caller holds it, of any scalar type and layout, and how it is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastfuse {

enum class Scalar { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64 };

// One array. It owns nothing.
struct View {
    const std::byte* data = nullptr;
    Scalar type = Scalar::u8;
    bool swapped = false;                // bytes in the other order than the machine's
    std::vector<std::ptrdiff_t> strides; // bytes, one per axis
};

std::int64_t size_of(Scalar type);

// Converts n values in native layout to double.
void widen_all(Scalar type, const std::byte* from, std::int64_t n, double* to);
// The same to float or double.
template <class To> void convert_all(Scalar type, const std::byte* from, std::int64_t n, To* to);
extern template void convert_all(Scalar, const std::byte*, std::int64_t, float*);
extern template void convert_all(Scalar, const std::byte*, std::int64_t, double*);

// Whether the view's voxels lie one after another in C order of the shape.
bool contiguous(const View& view, const std::vector<std::int64_t>& shape);

// Copies voxels first … first+n-1, in C order of the shape, into one run of memory, bytes in native order.
void gather(const View& view, const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t n,
            std::byte* to);

// Voxels first … first+n-1 in native layout: in place where they lie so, else as a copy.
const std::byte* native_run(const View& view, const std::vector<std::int64_t>& shape, std::int64_t first,
                            std::int64_t n, std::vector<std::byte>& copy);

// The single value that lies at `from`.
double value_at(const View& view, const std::byte* from);

bool all_zero(const std::byte* from, std::int64_t bytes);

// Bit g: group g, of so many bytes (a multiple of 64), holds anything but zeros. At most 64 groups, the last
// one maybe cut short.
std::uint64_t nonzero_groups(const std::byte* from, std::int64_t bytes, std::int64_t group_bytes);

// The same of `arrays` arrays at once: what any of them holds. 64 whole groups.
std::uint64_t nonzero_groups(const std::byte* const* from, std::int64_t arrays, std::int64_t group_bytes);

// How far a sum may lie from the number.
struct Total {
    double value = 1;
    double tolerance = 0; // relative
};

// Whether the arrays sum to the total, or to 0, at all voxels of a grid that has `few` voxels along each
// axis, or up to twice as many. Where they do not, they do not sum to it everywhere: few voxels tell nearly
// always.
bool may_sum_to(const std::vector<View>& arrays, const std::vector<std::int64_t>& shape, const Total& total,
                std::int64_t few);

} // namespace fastfuse
