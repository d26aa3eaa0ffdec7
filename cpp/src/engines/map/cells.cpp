#include "engines/map/cells.hpp"

#include <cmath>
#include <cstring>

#include "support/lanes.hpp"
#include "support/simd.hpp"

namespace fastfuse::map {
namespace {

constexpr int mantissa_bits = 52, bits_of_cell = 5;
static_assert(1 << bits_of_cell == cells_of_octave, "a cell's number is the highest bits of a mantissa");
constexpr int bits_within = mantissa_bits - bits_of_cell;
constexpr std::uint64_t exponent_of_one = 1023, one = exponent_of_one << mantissa_bits;
constexpr std::uint64_t first_cell = (exponent_of_one - octaves) << bits_of_cell;
constexpr std::uint64_t mantissa = (std::uint64_t{1} << mantissa_bits) - 1;

FASTFUSE_INLINE std::uint64_t bits_of(double value) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

FASTFUSE_INLINE double number_of(std::uint64_t bits) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

using Powers = std::array<std::uint64_t, orders>;

// The bits of shift + d^j; 1 for j = 0.
FASTFUSE_INLINE Powers powers(double d, double shift) {
    const double d2 = d * d, d3 = d2 * d, d4 = d2 * d2;
    return {1,
            bits_of(shift + d),
            bits_of(shift + d2),
            bits_of(shift + d3),
            bits_of(shift + d4),
            bits_of(shift + d4 * d),
            bits_of(shift + d4 * d2),
            bits_of(shift + d4 * d3)};
}

// As unsigned numbers: they may wrap around on the way.
FASTFUSE_INLINE void add_times(const Powers& power, std::uint64_t times, Sums& sums) {
    for (std::size_t j = 0; j < orders; ++j)
        sums[j] = static_cast<std::int64_t>(static_cast<std::uint64_t>(sums[j]) + times * power[j]);
}

FASTFUSE_CLONES void add_each(const std::uint32_t* slot, const double* d, std::int64_t n, double shift,
                              Sums* sums) {
    for (std::int64_t k = 0; k < n; ++k)
        add_times(powers(d[k], shift), 1, sums[slot[k]]);
}

} // namespace

double width_of(std::uint32_t cell) {
    const int octave = static_cast<int>(cell % cells_of_side) / cells_of_octave;
    return std::ldexp(1.0, octave - octaves - bits_of_cell - 1);
}

double middle_of(std::uint32_t cell) { return 2 * cells_of_octave + 2 * (cell % cells_of_octave) + 1; }

FASTFUSE_CLONES bool locate(const double* prior, std::int64_t n, std::uint32_t* cell, double* d) {
    std::uint64_t bad = 0;
    for (std::int64_t k = 0; k < n; ++k) {
        const double complement = 1 - prior[k];
        const bool is_high = prior[k] > 0.5;
        const double x = is_high ? complement : prior[k];
        const std::uint64_t bits = bits_of(x);
        const std::uint64_t number = (bits >> bits_within) - first_cell;
        bad |= static_cast<std::uint64_t>(number >= cells_of_side); // also where x is not in (0, 1)
        cell[k] = static_cast<std::uint32_t>(number + (is_high ? cells_of_side : 0));
        d[k] = 2 * number_of(one | (bits << bits_of_cell & mantissa)) - 3;
    }
    return bad == 0;
}

Grid::Grid(std::int64_t voxels) {
    constexpr int finest = 44, bits_of_sum = 62;
    int bits = finest;
    while (bits > 0 && voxels >> (bits_of_sum - bits) > 0)
        --bits;
    shift_ = std::ldexp(1.5, mantissa_bits - bits);
    step_ = std::ldexp(1.0, -bits);
}

void Grid::add(double d, std::int64_t times, Sums& sums) const {
    add_times(powers(d, shift_), static_cast<std::uint64_t>(times), sums);
}

void Grid::add_all(const std::uint32_t* slot, const double* d, std::int64_t n, Sums* sums) const {
    add_each(slot, d, n, shift_, sums);
}

double Grid::sum(std::int64_t whole, std::int64_t numbers) const {
    const std::uint64_t shifts = static_cast<std::uint64_t>(numbers) * bits_of(shift_);
    return static_cast<double>(static_cast<std::int64_t>(static_cast<std::uint64_t>(whole) - shifts)) * step_;
}

std::array<double, orders> Grid::moments(const Sums& sums) const {
    std::array<double, orders> moment{static_cast<double>(sums[0])};
    for (std::size_t j = 1; j < orders; ++j)
        moment[j] = sum(sums[j], sums[0]);
    return moment;
}

} // namespace fastfuse::map
