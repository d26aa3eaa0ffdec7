// Cells of a prior map, and the moments of the voxels in them.
//
//   π    prior of a voxel                  x    the smaller of π and 1 − π
//   c    middle of a cell                  h    half its width; 32 cells an octave of x, so that h ≤ c / 65
//   d    (x − c) / h, in [−1, 1)           m_j  Σ d^j over a cell's voxels of one row
//
// All sums of an E-step are smooth functions of x, and of a cell they follow from eight moments: see
// moments.hpp. The moments are added as whole numbers, so that the order of the voxels does not matter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastfuse::map {

constexpr int orders = 8; // moments of a cell

constexpr int octaves = 64, cells_of_octave = 32, cells_of_side = octaves * cells_of_octave;
constexpr int cells = 2 * cells_of_side; // first the cells of π ≤ 1/2, then the cells of 1 − π < 1/2

// Whether c, h and d are of 1 − π.
inline bool is_complement(std::uint32_t cell) { return cell >= cells_of_side; }
double width_of(std::uint32_t cell);  // h
double middle_of(std::uint32_t cell); // c / h, an odd number from 65 to 127

// Finds each voxel's cell and d. Returns whether all x are at least 2^-64: smaller ones have no cell.
bool locate(const double* prior, std::int64_t n, std::uint32_t* cell, double* d);

// m_j times 2^bits.
using Sums = std::array<std::int64_t, orders>;

// Adds the powers of d as multiples of 2^-bits.
class Grid {
  public:
    // The finest for which the sums over so many voxels are no overflow.
    explicit Grid(std::int64_t voxels);
    void add(double d, Sums& sums) const { add(d, 1, sums); }
    void add(double d, std::int64_t times, Sums& sums) const;
    // Adds those of n voxels to the sums of slot[k].
    void add_all(const std::uint32_t* slot, const double* d, std::int64_t n, Sums* sums) const;
    std::array<double, orders> moments(const Sums& sums) const;

    // Of sums of other numbers from −1 to 1: what turns each into a whole number, and their sum back into
    // one.
    double shift() const { return shift_; }
    double sum(std::int64_t whole, std::int64_t numbers) const;

  private:
    double shift_; // added to a number, it rounds that to a multiple of 2^-bits, which its lowest bits tell
    double step_;  // 2^-bits
};

// Sums by a key. Scratch of one thread.
template <class T> class SumsOfKeys {
  public:
    using Value = std::array<T, orders>;
    explicit SumsOfKeys(std::size_t most) : most_(most), slot_(1024) {}

    // Null where there is no place for another key.
    Value* of(std::uint64_t key) {
        const std::size_t place = place_of(key);
        if (slot_[place] != 0) return &sums_[slot_[place] - 1];
        if (key_.size() == most_) return nullptr;
        key_.push_back(key);
        sums_.push_back({});
        slot_[place] = static_cast<std::uint32_t>(key_.size());
        if (2 * key_.size() > slot_.size()) grow();
        return &sums_.back();
    }
    std::size_t size() const { return key_.size(); }
    std::uint64_t key(std::size_t k) const { return key_[k]; }
    const Value& sums(std::size_t k) const { return sums_[k]; }

  private:
    std::size_t place_of(std::uint64_t key) const {
        std::size_t place = (key * 0x9E3779B97F4A7C15u >> 32) & (slot_.size() - 1);
        while (slot_[place] != 0 && key_[slot_[place] - 1] != key)
            place = (place + 1) & (slot_.size() - 1);
        return place;
    }
    void grow() {
        slot_.assign(2 * slot_.size(), 0);
        for (std::size_t k = 0; k < key_.size(); ++k)
            slot_[place_of(key_[k])] = static_cast<std::uint32_t>(k + 1);
    }

    std::size_t most_;
    std::vector<std::uint32_t> slot_; // number of a key plus 1; 0 where empty
    std::vector<std::uint64_t> key_;
    std::vector<Value> sums_;
};

} // namespace fastfuse::map
