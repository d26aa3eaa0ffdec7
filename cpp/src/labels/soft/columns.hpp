// Arithmetic on columns of numbers.
#pragma once

#include <cstdint>

namespace fastfuse::columns {

void add(double factor, const double* from, std::int64_t n, double* to); // to += factor · from
void multiply(const double* from, std::int64_t n, double* to);           // to *= from
double dot(const double* one, const double* other, std::int64_t n);      // summed in a fixed order
void divide(const double* one, const double* by, std::int64_t n,
            double* to); // to = one / by; 0 where by is 0

} // namespace fastfuse::columns
