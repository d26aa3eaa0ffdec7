// Who votes on each voxel of a tile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fastfuse/fusion.hpp"
#include "posterior/statistics.hpp"

namespace fastfuse {

using Voters = std::uint64_t; // bit i: rater i votes

constexpr Voters all_of(int raters) { return ~Voters{0} >> (64 - raters); }

std::vector<std::size_t> raters_of(Voters voters);

// Of these raters alone.
Performance of_raters(const Performance& performance, const std::vector<std::size_t>& raters);

// Adds sums of these raters to those of all.
void add_of_raters(const Sums& from, const std::vector<std::size_t>& raters, Sums& to);

// Drop a rater where the vote is NaN.
void drop_nan(const float* vote, Voters rater, std::int64_t n, Voters* voters);
void drop_nan(const double* vote, Voters rater, std::int64_t n, Voters* voters);

// Drops a rater where `seen` is 0.
void drop_unseen(const std::uint8_t* seen, Voters rater, std::int64_t n, Voters* voters);

// The weight where these are the voters, else 0. Returns the sum.
double keep_weight(const float* weight, const Voters* voters, Voters all, std::int64_t n, float* to);
double keep_weight(const double* weight, const Voters* voters, Voters all, std::int64_t n, double* to);

// The value where the weight is not 0, else another. `to` may be `from`.
void keep(const float* from, const float* weight, float elsewhere, std::int64_t n, float* to);
void keep(const double* from, const double* weight, double elsewhere, std::int64_t n, double* to);

} // namespace fastfuse
