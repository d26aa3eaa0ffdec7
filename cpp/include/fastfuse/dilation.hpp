// Conditional dilation: a binary mask grows into the bright voxels around it, which get a soft label.
//
// Kats, Goldberger, Greenspan: A Soft STAPLE Algorithm Combined with Anatomical Knowledge, MICCAI 2019,
// sec. 3.
//
//   mask        the expert's voxels, which keep 1
//   candidates  voxels that a binary dilation adds to the mask
//   ring        the brightest candidates, until (mask + ring) / mask reaches the given size
//   cut         intensity above which candidates join the ring
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse {

enum class Cut {
    adaptive, // falls from 0.99 by 0.01 until the size is reached: the authors' rule
    exact,    // the brightest candidates are taken one by one, ties by index
    fixed,    // a given intensity
};

// Scales an image's intensities to [0, 1], with the darkest and brightest 0.1 % of voxels clipped.
struct Scaling {
    double low = 0, high = 1; // the intensities that become 0 and 1

    double apply(double intensity) const {
        return high > low ? std::clamp((intensity - low) / (high - low), 0.0, 1.0) : 0.0;
    }
};

// Scaling from the 0.1st and the 99.9th percentile (linear between neighbours, as NumPy's) of the finite
// voxels, inside the roi if there is one. No value if there are no such voxels. The percentiles are exact and
// take a read of the image for each 16 bits of its type.
std::optional<Scaling> find_scaling(const View& image, const std::optional<View>& roi,
                                    const std::vector<std::int64_t>& shape, const Team& team);

// A Euclidean ball, which replaces the cross of a dilation.
struct Ball {
    double radius_mm;
    std::array<double, 3> spacing_mm; // of each axis
};

struct DilationOptions {
    double size = 1.2;        // (mask + ring) / mask to be reached
    double label = 0.3;       // vote of the ring's voxels
    int iterations = 6;       // of a dilation with the 6-connected cross
    std::optional<Ball> ball; // replaces the cross
    Cut cut = Cut::adaptive;
    double intensity = 0;           // the fixed cut
    std::optional<Scaling> scaling; // of the image before the adaptive cut
    bool per_lesion = false;        // each 26-connected lesion reaches the size by itself
    bool connected = false;         // keep only ring voxels whose 6-connected component touches the mask
    bool binarize = false;          // mask values above 0 count as 1
};

// A volume: its extent along each axis, in memory order from slow to fast, and the stride of each axis in the
// caller's own order, in which ties are broken.
struct Grid {
    std::array<std::int64_t, 3> extent;
    std::array<std::int64_t, 3> rank_step;
};

struct Dilation {
    std::vector<double> cut; // of each lesion, or of all together; NaN where none was needed
    std::int64_t mask_voxels = 0, ring_voxels = 0;
};

// Writes 1, `label` and 0 to `values`, which hold 0 everywhere before. `roi`: no ring where it is 0. Throws
// BadInput, Interrupted.
Dilation dilate(const View& mask, const View& image, const std::optional<View>& roi, const Grid& grid,
                const DilationOptions& options, const Output& values, const Team& team);

// Writes to `near` whether each voxel lies within `radius_mm` of one that the mask marks. `near` holds one
// element per voxel in C order of the shape, which has one to three axes, as `spacing_mm` has. Throws
// BadInput, Interrupted.
void find_near(const View& mask, const std::vector<std::int64_t>& shape, double radius_mm,
               const std::vector<double>& spacing_mm, bool* near, const Team& team);

} // namespace fastfuse
