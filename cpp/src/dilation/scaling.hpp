// Scales an image's intensities to [0, 1], with the darkest and brightest 0.1 % of voxels clipped.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse {

struct Scaling {
    double low = 0, high = 1; // the intensities that become 0 and 1

    double apply(double intensity) const {
        return high > low ? std::clamp((intensity - low) / (high - low), 0.0, 1.0) : 0.0;
    }
    double undo(double scaled) const { return low + scaled * (high - low); }
};

// Scaling from the 0.1st and the 99.9th percentile (linear between neighbours, as NumPy's) of the finite
// voxels, inside the roi if there is one. No value if there are no such voxels. The percentiles are exact and
// take a read of the image for each 16 bits of its type.
std::optional<Scaling> find_scaling(const View& image, const std::optional<View>& roi,
                                    const std::vector<std::int64_t>& shape, const Team& team);

} // namespace fastfuse
