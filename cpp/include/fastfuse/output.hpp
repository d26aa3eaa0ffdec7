// A volume to be written, float or double a voxel.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fastfuse {

// Until its value is known, each voxel's slot keeps a note (which vote pattern is it, is it in the mask?), so
// that notes cost no memory of their own.
struct Output {
    std::byte* data = nullptr;
    bool wide = false; // double

    void put_note(std::int64_t voxel, std::uint32_t note) const {
        std::memcpy(slot(voxel), &note, sizeof note);
    }
    std::uint32_t note(std::int64_t voxel) const {
        std::uint32_t found;
        std::memcpy(&found, slot(voxel), sizeof found);
        return found;
    }
    void put(std::int64_t voxel, double value) const {
        const auto narrow = static_cast<float>(value);
        if (wide)
            std::memcpy(slot(voxel), &value, sizeof value);
        else
            std::memcpy(slot(voxel), &narrow, sizeof narrow);
    }
    // Where a voxel's value goes, in the output's own type.
    template <class T> T* place(std::int64_t voxel) const { return reinterpret_cast<T*>(slot(voxel)); }
    void fill(std::int64_t first, std::int64_t n, double value) const {
        if (wide)
            std::fill_n(place<double>(first), n, value);
        else
            std::fill_n(place<float>(first), n, static_cast<float>(value));
    }

  private:
    std::byte* slot(std::int64_t voxel) const { return data + voxel * (wide ? 8 : 4); }
};

} // namespace fastfuse
