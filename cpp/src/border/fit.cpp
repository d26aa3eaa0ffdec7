#include "border/fit.hpp"

#include <algorithm>

#include "border/maximisation.hpp"

namespace fastfuse::border {

Fit fit(const Rows& rows, const std::vector<double>& read, const Stop& stop, const Team& team) {
    const auto voters = std::count_if(read.begin(), read.end(), [](double voxels) { return voxels > 0; });
    Parameters parameters(read.size(), voters <= few_raters);
    Fit fit;
    fit.border = scaled(parameters, read);
    Consensus consensus;
    const auto e_step = [&] {
        const Levels tau = consensus_at(fit.border.scale, fit.border.anchor);
        return expectation(rows, parameters, tau, consensus, team);
    };
    Sums sums = e_step();
    // The smoothing lets the likelihood drift by a nat or two: the consensus tells when to stop.
    while (!fit.converged && static_cast<int>(fit.log_likelihood.size()) < stop.max_iter) {
        team.look();
        maximise(sums, read, parameters);
        fit.border = scaled(parameters, read);
        sums = e_step();
        fit.log_likelihood.push_back(sums.log_likelihood);
        fit.converged = fit.log_likelihood.size() > 1 && sums.moved <= stop.tol;
    }
    return fit;
}

} // namespace fastfuse::border
