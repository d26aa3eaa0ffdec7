#include "em/costs.hpp"

#include <algorithm>
#include <cmath>

#include "em/masses.hpp"
#include "posterior/soft.hpp"

namespace fastfuse {
namespace {

constexpr double typical_iterations = 10;  // with many raters, where the choice matters
constexpr double ns_of_mass = 1.5;         // of one term of a row: adding it to the table and reading it back
constexpr double ns_of_lane_mass = 0.075;  // of one of the 2^m patterns of a voxel in lanes
constexpr double ns_of_lane_moment = 0.02; // of one pattern's moment of a rater, in lanes
constexpr double ns_of_step = 2;           // of a rater in a row of the table, in one E-step

} // namespace

bool pays_masses(const Options& options, int raters, double terms, double row_cost) {
    if (raters > most_mass_raters || options.expectation == Expectation::characteristic) return false;
    const double patterns = std::ldexp(1.0, raters);
    if (options.expectation == Expectation::enumerate) return patterns <= terms;
    const double moments = options.m_step == MStep::paper ? raters : 0;
    const double once = terms * (2 + moments) * ns_of_mass;
    return once + typical_iterations * patterns * raters * ns_of_step < typical_iterations * row_cost;
}

bool pays_lanes(const Options& options, int raters, std::int64_t voxels, double fractional) {
    if (options.expectation != Expectation::automatic) return options.expectation == Expectation::enumerate;
    const bool splits = options.m_step == MStep::em;
    const double patterns = std::ldexp(1.0, raters);
    const double moments = splits ? 0 : ns_of_lane_moment * raters;
    const double steps = typical_iterations * raters * ns_of_step / static_cast<double>(voxels);
    const auto doubts = static_cast<int>(std::ceil(fractional));
    const double row = std::min(enumeration_cost(doubts), characteristic_cost(doubts, splits));
    return patterns * (ns_of_lane_mass + moments + steps) < typical_iterations * row;
}

} // namespace fastfuse
