// Which candidates of one lesion make its ring.
#pragma once

#include <cstdint>
#include <vector>

#include "dilation/field.hpp"

namespace fastfuse {

struct Candidate {
    std::int64_t voxel;
    double intensity; // as the cut is compared with it
};

struct Lesion {
    std::uint32_t number;
    std::int64_t mask_voxels;
    std::vector<Candidate> candidates;
};

struct Ring {
    double cut; // NaN where no candidate was wanted
    std::int64_t voxels;
};

// Notes the ring's voxels. The falling and the fixed cut take what is brighter than the cut; the exact one
// takes its darkest voxel too.
Ring find_ring(Lesion& lesion, const DilationOptions& options, const Field& field, const Worker& worker);

} // namespace fastfuse
