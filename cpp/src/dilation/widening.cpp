#include "dilation/widening.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "dilation/ball.hpp"

namespace fastfuse {
namespace {

// Most runs are short: as long as a lesion is wide, not worth a call.
void mark(bool* from, std::int64_t n) {
    constexpr std::int64_t word = 8;
    constexpr std::uint64_t all = 0x0101010101010101;
    if (n < word || n > 4 * word) {
        std::fill_n(from, n, true);
        return;
    }
    for (std::int64_t k = 0; k < n - word; k += word)
        std::memcpy(from + k, &all, word);
    std::memcpy(from + n - word, &all, word);
}

} // namespace

Reach Reach::of_ball(const Ball& ball, const Coordinates& extent) {
    Reach reach(reach_of(ball, extent));
    const double squared_radius = squared_radius_mm(ball);
    for (std::int64_t a = 0; a <= reach.most_[0]; ++a)
        for (std::int64_t b = 0; b <= reach.most_[1]; ++b) {
            std::int64_t half = -1;
            while (half < reach.most_[2] && squared_mm({a, b, half + 1}, ball.spacing_mm) <= squared_radius)
                ++half;
            reach.half_width_.push_back(half);
        }
    return reach;
}

Reach Reach::of_cross(int steps, const Coordinates& extent) {
    Coordinates most;
    for (std::size_t axis = 0; axis < 3; ++axis)
        most[axis] = std::min<std::int64_t>(steps, extent[axis] - 1);
    Reach reach(most);
    for (std::int64_t a = 0; a <= most[0]; ++a)
        for (std::int64_t b = 0; b <= most[1]; ++b)
            reach.half_width_.push_back(std::clamp<std::int64_t>(steps - a - b, -1, most[2]));
    return reach;
}

Widening::Widening(const std::vector<std::int64_t>& marked, const Coordinates& extent, Reach reach)
    : extent_(extent), reach_(std::move(reach)), planes_(static_cast<std::size_t>(extent[0])) {
    for (const std::int64_t voxel : marked) {
        const std::int64_t row = voxel / extent[2], at = voxel % extent[2];
        Plane& plane = planes_[static_cast<std::size_t>(row / extent[1])];
        const std::int64_t middle = row % extent[1];
        if (!plane.empty() && plane.back().middle == middle && plane.back().end == at)
            ++plane.back().end;
        else
            plane.push_back({middle, at, at + 1});
    }
}

std::int64_t Widening::first_near(std::int64_t slow) const {
    return std::max<std::int64_t>(slow - reach_.most()[0], 0);
}

std::int64_t Widening::last_near(std::int64_t slow) const {
    return std::min(slow + reach_.most()[0], extent_[0] - 1);
}

bool Widening::reaches(std::int64_t slow) const {
    return std::any_of(planes_.begin() + first_near(slow), planes_.begin() + last_near(slow) + 1,
                       [](const Plane& plane) { return !plane.empty(); });
}

// The nearest planes first: where marks are many, they soon fill whole rows, which the others pass over.
bool Widening::widen_into(std::int64_t slow, bool* plane, const Worker& worker) const {
    Pace pace(worker);
    std::vector<char> is_full(static_cast<std::size_t>(extent_[1]));
    std::int64_t runs = 0;
    const auto add = [&](std::int64_t away, std::int64_t from) {
        if (from < 0 || from >= extent_[0]) return true;
        for (const Run& run : planes_[static_cast<std::size_t>(from)]) {
            widen(run, away, is_full, plane);
            if (pace.stopped_after(8 * reach_.most()[1] + 8)) return false;
        }
        runs += static_cast<std::int64_t>(planes_[static_cast<std::size_t>(from)].size());
        return true;
    };
    for (std::int64_t away = 0; away <= reach_.most()[0]; ++away) {
        if (!add(away, slow - away) || (away > 0 && !add(away, slow + away))) return false;
        if (8 * runs < extent_[1]) continue; // a look takes as long as some runs
        runs = 0;
        if (find_full(plane, is_full)) break;
    }
    return true;
}

// Whether all rows are full.
bool Widening::find_full(const bool* plane, std::vector<char>& is_full) const {
    bool all = true;
    for (std::size_t row = 0; row < is_full.size(); ++row, plane += extent_[2]) {
        if (!is_full[row])
            is_full[row] = std::memchr(plane, 0, static_cast<std::size_t>(extent_[2])) == nullptr;
        all = all && is_full[row];
    }
    return all;
}

void Widening::widen(const Run& run, std::int64_t away, const std::vector<char>& is_full, bool* plane) const {
    const std::int64_t last = std::min(run.middle + reach_.most()[1], extent_[1] - 1);
    for (std::int64_t row = std::max<std::int64_t>(run.middle - reach_.most()[1], 0); row <= last; ++row) {
        const std::int64_t half = reach_.half_width(away, std::abs(row - run.middle));
        if (half < 0 || is_full[static_cast<std::size_t>(row)]) continue;
        const std::int64_t first = std::max<std::int64_t>(run.first - half, 0);
        const std::int64_t end = std::min(run.end + half, extent_[2]);
        mark(plane + row * extent_[2] + first, end - first);
    }
}

void Widening::clear_marked(std::int64_t slow, bool* plane) const {
    for (const Run& run : planes_[static_cast<std::size_t>(slow)]) {
        bool* row = plane + run.middle * extent_[2];
        std::fill(row + run.first, row + run.end, false);
    }
}

} // namespace fastfuse
