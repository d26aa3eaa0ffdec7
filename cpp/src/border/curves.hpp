// What each rater does at each level.
//
//   F   s(κ (u − δ))        p   γ + (ζ − γ) F, p(mark | level)
#pragma once

#include <vector>

#include "border/levels.hpp"

namespace fastfuse::border {

// Parameters as they are fitted, on the levels as they are.
struct Parameters {
    explicit Parameters(std::size_t raters, bool few);
    std::size_t raters() const { return offset.size(); }
    bool few; // false marks and finds are fixed at 0 and 1
    std::vector<double> offset, sharpness, false_marks, lost;
    std::vector<bool> heard; // else they do not count
    Levels weights{};        // π
};

constexpr int least_raters = 3; // of two, an offset and a false mark look the same
// With so many raters or fewer, false marks and finds are fixed.
constexpr int few_raters = 4;

struct Curve {
    Levels inside, outside; // F, 1 − F
    Levels mark, no_mark;   // p, 1 − p: not a difference, of which near 1 no digit would be left
    bool heard = true;
    Levels log_mark, log_no_mark; // ln p, ln (1 − p)
};

std::vector<Curve> curves_of(const Parameters& parameters);

} // namespace fastfuse::border
