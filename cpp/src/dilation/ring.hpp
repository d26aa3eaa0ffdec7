// Selects the candidates of one lesion that make its ring.
#pragma once

#include <cstdint>
#include <vector>

#include "dilation/field.hpp"

namespace fastfuse {

struct Candidate {
    std::int64_t voxel;
    double intensity; // scaled if the cut is
};

struct Lesion {
    std::uint32_t number;
    std::int64_t mask_voxels;
    std::vector<Candidate> candidates;
};

struct Ring {
    double cut; // NaN if the exact ring is empty
    std::int64_t voxels;
};

// Whether find_ring reads and writes notes: the mask's voxels and all candidates are noted before, and the
// ring's afterwards. Else the ring is the candidates brighter than the cut.
bool needs_notes(const DilationOptions& options);

// For the falling and the fixed cut they are brighter than the cut; for the exact
// one the cut is the darkest of them.
Ring find_ring(Lesion& lesion, const DilationOptions& options, const Field& field, const Worker& worker);

} // namespace fastfuse
