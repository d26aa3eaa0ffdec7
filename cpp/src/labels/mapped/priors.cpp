#include "labels/mapped/priors.hpp"

#include <algorithm>
#include <cmath>

namespace fastfuse {
namespace {

constexpr double tolerance = 1e-3; // of Σ_a π

} // namespace

PriorReader::PriorReader(const SoftVotes& votes, std::int64_t capacity)
    : votes_(votes), capacity_(capacity), sum_(static_cast<std::size_t>(capacity)) {}

std::int64_t PriorReader::read(std::int64_t first, std::int64_t voxels, const std::uint8_t* inside,
                               double* columns) {
    std::fill_n(sum_.begin(), voxels, 0.0);
    for (std::size_t a = 0; a < votes_.labels; ++a) {
        const View& view = votes_.prior[a];
        double* prior = columns + a * static_cast<std::size_t>(capacity_);
        widen_all(view.type, native_run(view, votes_.grid.shape, first, voxels, native_), voxels, prior);
        for (std::int64_t k = 0; k < voxels; ++k) {
            if (inside && !inside[k]) continue;
            if (!(prior[k] >= 0 && prior[k] <= 1))
                throw BadInput(BadInput::Kind::prior, static_cast<int>(a), first + k, prior[k]);
            sum_[static_cast<std::size_t>(k)] += prior[k];
        }
    }
    std::int64_t clamped = 0;
    for (std::int64_t k = 0; k < voxels; ++k) {
        if (inside && !inside[k]) continue;
        const double sum = sum_[static_cast<std::size_t>(k)];
        if (std::abs(sum - 1) > tolerance) throw BadInput(BadInput::Kind::prior_sum, -1, first + k, sum);
        clamped += clamp(columns + k);
    }
    return clamped;
}

bool PriorReader::clamp(double* prior) const {
    const std::size_t end = votes_.labels * static_cast<std::size_t>(capacity_);
    double whole = 0;
    bool moved = false;
    for (std::size_t at = 0; at < end; at += static_cast<std::size_t>(capacity_)) {
        const double kept = std::clamp(prior[at], least_prior, 1 - least_prior);
        moved = moved || kept != prior[at];
        prior[at] = kept;
        whole += kept;
    }
    for (std::size_t at = 0; at < end; at += static_cast<std::size_t>(capacity_))
        prior[at] /= whole;
    return moved;
}

} // namespace fastfuse
