// EM over the rows of a table, M-step first; and what EM on soft votes shares with it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "fastfuse/labels.hpp"
#include "labels/expectation.hpp"
#include "labels/maximisation.hpp"

namespace fastfuse {

constexpr double least_mass = 1;       // voxels; the rates of a truth that holds fewer never settle
constexpr std::int64_t quick = 20'000; // rates and weights of a problem on which EM costs next to nothing

struct LabelRates {
    Matrices theta;
    std::vector<double> prior; // π
};

// Counts of the first M-step, from the votes.
struct LabelStartCounts {
    Matrices counts;
    std::vector<double> mass; // Σ c w of each label
};

// What EM found.
struct EmFit {
    LabelRates rates;
    std::vector<std::uint8_t> undetermined; // of rater i's rates of truth a, at i * K + a
    std::vector<double> log_likelihood, log_prior;
    bool converged = false;

    double reached() const { return log_likelihood.back() + log_prior.back(); }
};

struct LabelFit : EmFit {
    LabelSums sums; // of an E-step with these rates
};

// Whether plain EM ends higher than jumps did, by more than rounding: jumps may lead to a lower maximum.
bool is_higher(const EmFit& plain, const EmFit& with_jumps);

// How far rates moved, of truths that hold a voxel, or of the largest where none does. `moved`: of rater i's
// rates of truth a, at i * K + a.
double largest_move(const std::vector<double>& moved, const std::vector<double>& mass);

// Each label's share of all votes. `volume`: votes of rater i for label b, at i * K + b.
std::vector<double> shares_of(const std::vector<double>& volume, std::size_t labels);

// θ_i[a, b] at (i * K + a) * K + b; NaN where nothing determines it.
std::vector<double> in_rows(const Matrices& theta, const std::vector<std::uint8_t>& undetermined);

// `rates`: those before the first M-step. `start`: of the first M-step; none: from an E-step with
// `rates`. `truths`: the candidates; they end as c w under the last rates.
LabelFit em(const LabelTable& table, const LabelOptions& options, const Maximisation& m_step,
            LabelRates rates, std::optional<LabelStartCounts> start, double voxels, RowTruths& truths,
            const Team& team);

// Jumps beyond two steps of EM: SQUAREM, scheme S3, Varadhan, Roland, Scandinavian Journal of Statistics 35,
// 2008. `mass`: of each truth; where it is below one voxel, rates have no say in the length of the jump.
LabelRates extrapolate(const LabelRates& first, const LabelRates& second, const LabelRates& third,
                       const std::vector<double>& mass, bool with_prior);

} // namespace fastfuse
