#include "border/fit.hpp"

#include <algorithm>
#include <utility>

#include "border/copies.hpp"
#include "border/maximisation.hpp"

namespace fastfuse::border {
namespace {

Parameters first_guess(const std::vector<double>& read, const std::vector<std::size_t>& original) {
    std::vector<bool> heard(read.size());
    for (std::size_t i = 0; i < read.size(); ++i)
        heard[i] = read[i] > 0 && original[i] == i;
    const auto voices = std::count(heard.begin(), heard.end(), true);
    Parameters parameters(read.size(), voices <= few_raters);
    parameters.heard = std::move(heard);
    return parameters;
}

void tell_of_copies(const std::vector<std::size_t>& original, Border& border) {
    for (std::size_t i = 0; i < original.size(); ++i)
        for (auto* told : {&border.offset, &border.sharpness, &border.false_marks, &border.lost})
            (*told)[i] = (*told)[original[i]];
}

} // namespace

Fit fit(const Rows& rows, const std::vector<double>& read, const Stop& stop, const Team& team) {
    const std::vector<std::size_t> original = originals_of(rows, read, team);
    Parameters parameters = first_guess(read, original);
    Fit fit;
    fit.border = scaled(parameters);
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
        fit.border = scaled(parameters);
        sums = e_step();
        fit.log_likelihood.push_back(sums.log_likelihood);
        fit.converged = fit.log_likelihood.size() > 1 && sums.moved <= stop.tol;
    }
    tell_of_copies(original, fit.border);
    return fit;
}

} // namespace fastfuse::border
