// EM over the rows of a table, M-step first.
#pragma once

#include <vector>

#include "fastfuse/labels.hpp"
#include "labels/expectation.hpp"
#include "labels/maximisation.hpp"

namespace fastfuse {

struct LabelRates {
    Matrices theta;
    std::vector<double> prior; // π
};

// What EM found.
struct LabelFit {
    LabelRates rates;
    LabelSums sums;                         // of an E-step with these rates
    std::vector<std::uint8_t> undetermined; // of rater i's rates of truth a, at i * K + a
    std::vector<double> log_likelihood, log_prior;
    bool converged = false;
};

// `rates`: those before the first M-step. `start`: c w for the first M-step; null: from an E-step with
// `rates`. `truths`: the candidates; they end as c w under the last rates.
LabelFit em(const LabelTable& table, const LabelOptions& options, const Maximisation& m_step,
            LabelRates rates, const RowTruths* start, double voxels, RowTruths& truths, const Team& team);

// Jumps beyond two steps of EM: SQUAREM, scheme S3, Varadhan, Roland, Scandinavian Journal of Statistics 35,
// 2008. `mass`: of each truth; where it is below one voxel, rates have no say in the length of the jump.
LabelRates extrapolate(const LabelRates& first, const LabelRates& second, const LabelRates& third,
                       const std::vector<double>& mass, bool with_prior);

} // namespace fastfuse
