// Loops over the candidates of many rows.
#pragma once

#include <cstdint>

#include "labels/factors.hpp"

namespace fastfuse {

// weight = π(a) Π_i of the factors of candidates [begin, end).
void multiply(const Factors& factors, int raters, std::int64_t begin, std::int64_t end, const double* factor,
              const double* prior, double* weight);

// Adds the weights of candidates [begin, end) to what is counted of their factors and of their truths.
void add(const Factors& factors, int raters, std::int64_t begin, std::int64_t end, const double* weight,
         double* counted, double* mass);

// To a unit in the last place, of normal numbers above 0.
void logarithms(const double* of, std::int64_t n, double* logarithm);

} // namespace fastfuse
