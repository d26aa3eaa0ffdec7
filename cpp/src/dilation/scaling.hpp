// An image's intensities brought to [0, 1], its darkest and brightest 0.1 % of voxels clipped.
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

// From the 0.1st and the 99.9th percentile (linear between neighbours, as NumPy's) of the finite voxels, of
// those inside the roi if there is one; no value if there is none. Exact: two reads of a narrow type, four
// of a wide one.
std::optional<Scaling> find_scaling(const View& image, const std::optional<View>& roi,
                                    const std::vector<std::int64_t>& shape, const Team& team);

} // namespace fastfuse
