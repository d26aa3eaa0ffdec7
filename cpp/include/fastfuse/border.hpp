// border-STAPLE: all raters see one latent level of a voxel, how deep inside the foreground it lies, and draw
// nested contours around it.
//
//   u_g    level                                    π_g   p(level g)
//   δ_i    offset: the level of rater i's border    κ_i   sharpness
//   γ_i    false marks, far outside                 ζ_i   finds, deep inside
//   c      anchor: the level of the consensus' border
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace fastfuse {

constexpr std::size_t border_levels = 41; // u = −15 + 0.75 g

// What is known of raters and levels, in the unit in which a mean rater's sharpness is 1.
struct Border {
    std::vector<double> offset, sharpness; // δ, κ
    std::vector<double> false_marks, lost; // γ, 1 − ζ
    std::vector<bool> heard;               // whether a rater votes, and not as another one does everywhere
    double scale = 1;                      // u times this are levels in that unit
    std::array<double, border_levels> weights{}; // π
    double anchor = 0;                           // c
    bool from_image = false;                     // whether an image told the anchor
};

// Intensities between what surrounds a lesion, 0, and its core, 1, of voxels near lesions.
struct Heights {
    std::vector<std::int64_t> voxel; // in C order of the shape, ascending
    std::vector<double> height;      // h of each voxel listed above
    bool evidence = false;           // heights weigh the consensus too; else they only tell the anchor
};

} // namespace fastfuse
