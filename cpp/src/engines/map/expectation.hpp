// E-steps from moments.
#pragma once

#include "engines/map/moments.hpp"
#include "engines/row_sums.hpp"

namespace fastfuse::map {

// Each row's votes as its only term.
Terms terms_of(const RowLogOdds& odds, std::size_t rows);

// Σ c log of what the likelihoods of those terms were divided by.
double log_scale(const RowLogOdds& odds, const Moments& moments, std::size_t rows);

// The 2^m binary patterns as terms.
Terms patterns_as_terms(const Performance& performance);

// One E-step of soft-STAPLE, without the count, from moments of the binary patterns.
fastfuse::Sums expectation_of_patterns(const Moments& moments, const Performance& performance,
                                       const Team& team);

} // namespace fastfuse::map
