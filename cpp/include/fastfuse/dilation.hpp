// Conditional dilation: a binary mask grows into the bright voxels around it, which get a soft label.
//
// Kats, Goldberger, Greenspan: A Soft STAPLE Algorithm Combined with Anatomical Knowledge, MICCAI 2019,
// sec. 3.
//
//   mask        the expert's voxels; they keep 1
//   candidates  voxels that a binary dilation adds to the mask
//   ring        the brightest candidates, so many that (mask + ring) / mask reaches the size asked for
//   cut         the ring is brighter than this
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "dilation/scaling.hpp"
#include "fastfuse/array_view.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse {

enum class Cut {
    adaptive, // falls from 0.99 by 0.01 until the size is reached: the authors' rule
    exact,    // the brightest candidates are taken one by one, ties by index
    fixed,    // a given intensity
};

// A Euclidean ball to dilate with, in place of the cross.
struct Ball {
    double radius_mm;
    std::array<double, 3> spacing_mm; // of each axis
};

struct DilationOptions {
    double size = 1.2;        // (mask + ring) / mask to be reached
    double label = 0.3;       // what the ring gets
    int iterations = 6;       // of a dilation with the 6-connected cross
    std::optional<Ball> ball; // instead of the cross
    Cut cut = Cut::adaptive;
    double intensity = 0;           // the fixed cut
    std::optional<Scaling> scaling; // of the image before the adaptive cut
    bool per_lesion = false;        // each 26-connected lesion reaches the size by itself
    bool connected = false;         // only ring voxels whose 6-connected component touches the mask
    bool binarize = false;          // whatever is above 0 in the mask counts as 1
};

// A volume: the voxels' extents along the axes, slow to fast as they lie in memory, and how far apart voxels
// that are neighbours along an axis stand in the caller's own order, in which ties are broken.
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

} // namespace fastfuse
