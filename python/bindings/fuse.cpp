// The verbs: tabulate, estimate, apply, and fuse, the three in a row.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "border.hpp"
#include "fastfuse/fusion.hpp"
#include "fastfuse/plan.hpp"
#include "fastfuse/probe.hpp"

namespace fastfuse::bindings {
namespace {

using namespace py::literals;

using OptionalArray = std::optional<py::array>;
using Present = std::vector<OptionalArray>;

Votes votes_of(const std::vector<py::array>& raters, const Shape& shape, const OptionalArray& mask,
               const OptionalArray& prior_map, const Present& present) {
    Votes votes;
    votes.shape = shape;
    for (const py::array& rater : raters)
        votes.raters.push_back(view_of(rater, shape));
    if (!present.empty() && present.size() != raters.size())
        throw py::value_error("present needs an entry for each rater");
    for (const OptionalArray& looked : present)
        votes.present.push_back(view_of(looked, shape));
    votes.mask = view_of(mask, shape);
    votes.prior = view_of(prior_map, shape);
    return votes;
}

// Heights of voxels that there are, in ascending order.
void take(const GivenHeights& given, Votes& votes) {
    votes.heights = heights_from(given);
    std::int64_t before = -1;
    for (const std::int64_t voxel : votes.heights.voxel)
        if (voxel <= std::exchange(before, voxel) || voxel >= votes.voxels())
            throw py::value_error("heights are of voxels in ascending order");
}

Result fuse(const std::vector<py::array>& raters, py::array out, const OptionalArray& mask,
            const OptionalArray& prior_map, const Present& present, const GivenHeights& heights,
            const Options& options) {
    Votes votes = votes_of(raters, shape_of(out), mask, prior_map, present);
    take(heights, votes);
    const Output consensus = output_of(out);
    const ShouldStop ask = signals();
    return without_gil([&] { return fastfuse::fuse(votes, options, consensus, ask); });
}

std::optional<VoteTable> tabulate(const std::vector<py::array>& raters, const OptionalArray& mask,
                                  const Present& present, const Options& options) {
    if (raters.empty()) throw py::value_error("there are no raters");
    const Votes votes = votes_of(raters, shape_of(raters[0]), mask, std::nullopt, present);
    const ShouldStop ask = signals();
    return without_gil([&] { return fastfuse::tabulate(votes, options, ask); });
}

// The raters without a vote of each group; (groups, m + 1, 2^m) sums as whole voxels and 2^-53 parts of one;
// and the number of voxels.
py::object as_arrays(const std::optional<MassSums>& sums) {
    if (!sums) return py::none();
    const auto groups = static_cast<py::ssize_t>(sums->absent.size());
    const std::vector<py::ssize_t> shape{groups, sums->raters + 1,
                                         static_cast<py::ssize_t>(sums->patterns())};
    return py::make_tuple(py::array_t<std::uint32_t>(groups, sums->absent.data()),
                          py::array_t<std::int64_t>(shape, sums->whole.data()),
                          py::array_t<std::int64_t>(shape, sums->part.data()), sums->voxels);
}

py::object tabulate_masses(const std::vector<py::array>& raters, const OptionalArray& mask,
                           const Present& present, const Options& options) {
    if (raters.empty()) throw py::value_error("there are no raters");
    const Votes votes = votes_of(raters, shape_of(raters[0]), mask, std::nullopt, present);
    const ShouldStop ask = signals();
    return as_arrays(without_gil([&] { return fastfuse::tabulate_masses(votes, options, ask); }));
}

py::object masses_of(const VoteTable& table, int threads) {
    const ShouldStop ask = signals();
    return as_arrays(without_gil([&] { return fastfuse::masses_of(table, threads, ask); }));
}

Result estimate(const VoteTable& table, const Options& options, const std::optional<Estimate>& start) {
    if (start && static_cast<int>(start->performance.sensitivity.size()) != table.raters())
        throw py::value_error("a start needs the rates of each of the table's raters");
    const ShouldStop ask = signals();
    return without_gil([&] { return fastfuse::estimate(table, options, ask, start ? &*start : nullptr); });
}

Result apply(const Estimate& estimate, const std::vector<py::array>& raters, py::array out,
             const OptionalArray& mask, const OptionalArray& prior_map, const Present& present,
             const GivenHeights& heights, const Options& options) {
    if (estimate.performance.sensitivity.size() != raters.size())
        throw py::value_error("an estimate needs the rates of each rater");
    Votes votes = votes_of(raters, shape_of(out), mask, prior_map, present);
    take(heights, votes);
    const Output consensus = output_of(out);
    const ShouldStop ask = signals();
    return without_gil([&] { return fastfuse::apply(estimate, votes, options, consensus, ask); });
}

// How `fuse` would go about it. `wide`: the consensus is of doubles.
Plan plan(const std::vector<py::array>& raters, bool wide, const OptionalArray& mask,
          const OptionalArray& prior_map, const Present& present, const Options& options) {
    if (raters.empty()) throw py::value_error("there are no raters");
    const Votes votes = read_by(options, votes_of(raters, shape_of(raters[0]), mask, prior_map, present));
    Watch watch(signals());
    return without_gil([&] { return plan_for(votes, options, wide, probe(votes, options, watch)); });
}

// Sensitivity and specificity that EM finds on a table with other counts.
std::pair<std::vector<double>, std::vector<double>> fit(const VoteTable& table,
                                                        const std::vector<double>& counts,
                                                        const Options& options, const Estimate& start) {
    if (static_cast<std::int64_t>(counts.size()) != table.size())
        throw py::value_error("a table needs a count for each row");
    if (static_cast<int>(start.performance.sensitivity.size()) != table.raters())
        throw py::value_error("a start needs the rates of each of the table's raters");
    const ShouldStop ask = signals();
    const Estimate estimate = without_gil([&] { return fastfuse::fit(table, counts, options, start, ask); });
    return {estimate.performance.sensitivity, estimate.performance.specificity};
}

} // namespace

void bind_fuse(py::module_& m) {
    m.def("fuse", &fuse, "raters"_a, "out"_a, py::kw_only(), "mask"_a = py::none(),
          "prior_map"_a = py::none(), "present"_a = py::tuple(), "heights"_a = py::none(), "options"_a);
    m.def("tabulate", &tabulate, "raters"_a, py::kw_only(), "mask"_a = py::none(), "present"_a = py::tuple(),
          "options"_a);
    m.def("find_masses", &tabulate_masses, "raters"_a, py::kw_only(), "mask"_a, "present"_a, "options"_a);
    m.def("masses_of", &masses_of, "table"_a, py::kw_only(), "threads"_a = 0);
    m.def("estimate", &estimate, "table"_a, py::kw_only(), "options"_a, "start"_a = py::none());
    m.def("apply", &apply, "estimate"_a, "raters"_a, "out"_a, py::kw_only(), "mask"_a = py::none(),
          "prior_map"_a = py::none(), "present"_a = py::tuple(), "heights"_a = py::none(), "options"_a);
    m.def("plan", &plan, "raters"_a, py::kw_only(), "wide"_a = false, "mask"_a = py::none(),
          "prior_map"_a = py::none(), "present"_a = py::tuple(), "options"_a);
    m.def("fit", &fit, "table"_a, "counts"_a, py::kw_only(), "options"_a, "start"_a);
}

} // namespace fastfuse::bindings
