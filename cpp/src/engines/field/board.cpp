#include "engines/field/board.hpp"

#include <algorithm>
#include <cmath>

#include "fastfuse/errors.hpp"

namespace fastfuse {

std::vector<double> coupling_of(const Options& options) {
    std::vector<double> coupling;
    constexpr double most = 1e300; // sums over the neighbours stay finite
    const double least = *std::min_element(options.spacing_mm.begin(), options.spacing_mm.end());
    for (const double side : options.spacing_mm)
        coupling.push_back(std::min(options.mrf * least / side, most));
    return coupling;
}

template <class W>
Board<W>::Board(const Votes& votes, const Options& options)
    : coupling_(coupling_of(options)), grid_(votes.shape),
      nobody_(static_cast<std::size_t>(grid_.length()), W(0.5)) {}

template <class W> void Board<W>::begin(bool with_map, const Team& team) {
    w_.resize(static_cast<std::size_t>(grid_.size()));
    if (with_map) logit_map_.resize(w_.size());
    team.run(grid_.lines(), [&](std::int64_t line, const Worker&) {
        std::fill_n(w_.begin() + grid_.start_of(line), grid_.stored(), W(0.5));
        if (with_map) std::fill_n(logit_map_.begin() + grid_.start_of(line), grid_.stored(), W(0));
    });
}

template <class W> void Board<W>::put_prior(std::int64_t place, double prior, std::int64_t voxel) {
    if (!(prior > 0 && prior < 1)) throw BadInput(BadInput::Kind::prior, -1, voxel, prior);
    logit_map_[static_cast<std::size_t>(place)] = static_cast<W>(std::log(prior) - std::log1p(-prior));
}

template <class W>
void Board<W>::find_logits(std::int64_t line, int half, std::int64_t first, std::int64_t some,
                           double logit_prior, double* logit) const {
    const auto values = [&](std::int64_t of) {
        return (of < 0 ? nobody_.data() : w(grid_.begin(of, half))) + first;
    };
    const W* beside = w(grid_.begin(line, 1 - half)) + first; // neighbours on both sides
    const Beside<W> last{half == 0 ? beside - 1 : beside, half == 0 ? beside : beside + 1, coupling_.back()};
    const auto along = [&](std::size_t axis) {
        const auto [before, behind] = grid_.neighbours(line, axis);
        return Beside<W>{values(before), values(behind), coupling_[axis]};
    };
    if (logit_map_.empty())
        std::fill_n(logit, some, logit_prior);
    else
        std::copy_n(logit_map_.data() + grid_.begin(line, half) + first, some, logit);
    if (grid_.axes() == 3) return pull_along_three({along(0), along(1), last}, some, logit);
    for (std::size_t axis = 0; axis + 1 < grid_.axes(); ++axis)
        add_pull(along(axis), some, logit);
    add_pull(last, some, logit);
}

template class Board<float>;
template class Board<double>;

} // namespace fastfuse
