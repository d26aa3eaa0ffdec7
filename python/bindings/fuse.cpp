#include "bindings.hpp"

#include <pybind11/stl.h>

#include <cmath>
#include <string>

#include "arrays.hpp"
#include "em/fit.hpp"
#include "fastfuse/fusion.hpp"
#include "options.hpp"

namespace fastfuse::bindings {
namespace {

using namespace py::literals;

using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;

Method method_of(const std::string& name) {
    return named<Method>("method", name,
                         {{"staple", Method::staple},
                          {"soft-staple", Method::soft_staple},
                          {"simplified-soft-staple", Method::simplified_soft_staple},
                          {"majority", Method::majority_vote}});
}

Route route_of(const std::string& name) {
    return named<Route>("route", name,
                        {{"auto", Route::automatic},
                         {"patterns", Route::patterns},
                         {"lanes", Route::lanes},
                         {"rows", Route::rows}});
}

Model expectation_of(const std::string& name) {
    return named<Model>("expectation", name,
                        {{"auto", Model::cheaper},
                         {"enumerate", Model::enumerated},
                         {"characteristic", Model::characteristic}});
}

} // namespace

Options options_of(const py::dict& given) {
    Options options;
    options.method = method_of(given["method"].cast<std::string>());
    options.em.m_step = given["em_m_step"].cast<bool>() ? MStep::em : MStep::paper;
    options.em.estimate_prior = given["estimate_prior"].cast<bool>();
    options.em.tolerance = given["tol"].cast<double>();
    options.em.max_iterations = given["max_iter"].cast<int>();
    options.em.accelerate = given["accelerate"].cast<bool>();
    const auto [sensitivity, specificity] =
        given["performance_prior"].cast<std::pair<std::pair<double, double>, std::pair<double, double>>>();
    options.em.sensitivity = {sensitivity.first, sensitivity.second};
    options.em.specificity = {specificity.first, specificity.second};
    options.log_linear = given["log_linear"].cast<bool>();
    options.expectation = expectation_of(given["expectation"].cast<std::string>());
    options.prior = given["prior"].cast<std::optional<double>>();
    options.init = given["init"].cast<std::optional<double>>();
    options.disputed_only = given["disputed_only"].cast<bool>();
    options.coupling = given["coupling"].cast<std::vector<double>>();
    options.inform = given["inform"].cast<bool>();
    options.threads = given["threads"].cast<int>();
    options.route = route_of(given["route"].cast<std::string>());
    return options;
}

Check check_of(const py::dict& given) {
    return given["method"].cast<std::string>() == "staple" ? Check::binary : Check::unit;
}

namespace {

Votes votes_of(const std::vector<py::array>& raters, const Shape& shape, const std::optional<py::array>& mask,
               const std::vector<std::optional<py::array>>& present, const py::dict& given) {
    Votes votes;
    votes.shape = shape;
    for (const py::array& rater : raters)
        votes.raters.push_back(view_of(rater, shape));
    if (!present.empty() && present.size() != raters.size())
        throw py::value_error("present needs an entry for each rater");
    for (const std::optional<py::array>& looked : present)
        votes.present.push_back(view_of(looked, shape));
    votes.nan_is_missing = given["nan_is_missing"].cast<bool>();
    votes.mask = view_of(mask, shape);
    votes.label = given["select_label"].cast<std::optional<double>>();
    votes.check = check_of(given);
    return votes;
}

py::array_t<double> matrix_of(const std::vector<double>& values) {
    const auto size = static_cast<py::ssize_t>(std::llround(std::sqrt(static_cast<double>(values.size()))));
    return py::array_t<double>({size, size}, values.data());
}

} // namespace

py::dict wrap(const Result& result) {
    return py::dict(
        "sensitivity"_a = result.sensitivity, "specificity"_a = result.specificity, "prior"_a = result.prior,
        "log_likelihood"_a = result.log_likelihood, "iterations"_a = result.iterations,
        "converged"_a = result.converged, "voxels"_a = result.voxels, "disputed"_a = result.disputed,
        "volume"_a = result.volume, "read"_a = result.read, "marked_by"_a = result.marked_by,
        "seen_by"_a = result.seen_by, "lowest"_a = result.lowest, "highest"_a = result.highest,
        "information"_a = matrix_of(result.information), "variability"_a = matrix_of(result.variability));
}

namespace {

py::dict fuse(const std::vector<py::array>& raters, py::array out, const std::optional<py::array>& mask,
              const std::optional<py::array>& prior_map, const std::vector<std::optional<py::array>>& present,
              const py::dict& given) {
    Votes votes = votes_of(raters, shape_of(out), mask, present, given);
    votes.prior = view_of(prior_map, votes.shape);
    const Options options = options_of(given);
    const Output consensus = output_of(out);
    const ShouldStop ask = signals();
    return wrap(without_gil([&] { return fastfuse::fuse(votes, options, consensus, ask); }));
}

// The distinct vote patterns (m, size), nan where a vote is missing, their counts, and the pattern of every
// voxel; None if there are too many.
std::optional<py::tuple> tabulate(const std::vector<py::array>& raters, const std::optional<py::array>& mask,
                                  const std::vector<std::optional<py::array>>& present,
                                  const py::dict& given) {
    const Shape shape = shape_of(raters.at(0));
    const Votes votes = votes_of(raters, shape, mask, present, given);
    const Options options = options_of(given);
    const ShouldStop ask = signals();
    auto table =
        without_gil([&] { return fastfuse::tabulate(votes, options.disputed_only, options.threads, ask); });
    if (!table) return std::nullopt;
    py::array_t<double> vote({static_cast<py::ssize_t>(raters.size()), static_cast<py::ssize_t>(table->size)},
                             table->vote.data());
    const py::array_t<double> count(static_cast<py::ssize_t>(table->count.size()), table->count.data());
    const py::array_t<std::int32_t> pattern(shape, table->pattern.data());
    return py::make_tuple(vote, count, pattern);
}

// Sensitivity and specificity that EM finds on counted patterns, from others.
std::pair<std::vector<double>, std::vector<double>> fit(const Doubles& vote, const Doubles& count,
                                                        const std::vector<double>& sensitivity,
                                                        const std::vector<double>& specificity, double prior,
                                                        const py::dict& given) {
    const auto raters = static_cast<int>(vote.shape(0));
    if (vote.ndim() != 2 || count.ndim() != 1 || vote.shape(1) != count.shape(0))
        throw py::value_error("a table of patterns has a count for each");
    const PatternRows rows(raters, vote.shape(1), vote.data(), count.data());
    Options options = options_of(given);
    options.em.accelerate = false;
    Performance start(raters);
    start.sensitivity = sensitivity;
    start.specificity = specificity;
    for (std::size_t i = 0; i < sensitivity.size(); ++i) {
        start.miss_rate[i] = 1 - sensitivity[i];
        start.false_alarm_rate[i] = 1 - specificity[i];
    }
    start.prior = prior;
    const ShouldStop ask = signals();
    const Estimate estimate = without_gil([&] { // one thread: a table is small
        return fastfuse::fit(rows, options, start, Team(1, ask));
    });
    return {estimate.performance.sensitivity, estimate.performance.specificity};
}

} // namespace

void bind_fuse(py::module_& m) {
    m.def("fuse", &fuse, "raters"_a, "out"_a, py::kw_only(), "mask"_a = py::none(),
          "prior_map"_a = py::none(), "present"_a = py::tuple(), "options"_a);
    m.def("tabulate", &tabulate, "raters"_a, py::kw_only(), "mask"_a = py::none(), "present"_a = py::tuple(),
          "options"_a);
    m.def("fit", &fit, "vote"_a, "count"_a, "sensitivity"_a, "specificity"_a, "prior"_a, py::kw_only(),
          "options"_a);
}

} // namespace fastfuse::bindings
