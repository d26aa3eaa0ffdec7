// Results and estimates as classes.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "border.hpp"
#include "fastfuse/fusion.hpp"
#include "fastfuse/plan.hpp"
#include "words.hpp"

namespace fastfuse::bindings {
namespace {

using namespace py::literals;
using Rates = std::vector<double>;

py::array_t<double> matrix_of(const std::vector<double>& values) {
    const auto size = static_cast<py::ssize_t>(std::llround(std::sqrt(static_cast<double>(values.size()))));
    return py::array_t<double>({size, size}, values.data());
}

auto vector_in(std::vector<double> Result::* field) {
    return [field](const Result& result) {
        const std::vector<double>& values = result.*field;
        return py::array_t<double>(static_cast<py::ssize_t>(values.size()), values.data());
    };
}

// One entry a voxel; None where there are none.
template <class T, class Given>
py::object array_of(const std::vector<Given>& values, const std::vector<std::int64_t>& shape) {
    if (values.empty()) return py::none();
    return py::array_t<T>(shape, reinterpret_cast<const T*>(values.data()));
}

Estimate estimate_of(Rates sensitivity, Rates specificity, Rates false_negative_rate,
                     Rates false_positive_rate, double prior, Rates log_likelihood, int iterations,
                     bool converged, const std::string& method, const std::string& m_step,
                     const std::string& likelihood, const std::string& expectation, bool by_masses,
                     bool certain, const std::optional<py::dict>& latent) {
    const std::size_t raters = sensitivity.size();
    if (specificity.size() != raters || false_negative_rate.size() != raters ||
        false_positive_rate.size() != raters)
        throw py::value_error("an estimate has four rates for each rater");
    Estimate estimate;
    estimate.performance.sensitivity = std::move(sensitivity);
    estimate.performance.specificity = std::move(specificity);
    estimate.performance.false_negative_rate = std::move(false_negative_rate);
    estimate.performance.false_positive_rate = std::move(false_positive_rate);
    estimate.performance.prior = prior;
    estimate.log_likelihood = std::move(log_likelihood);
    estimate.iterations = iterations;
    estimate.converged = converged;
    estimate.method = value_of<Method>("method", method);
    estimate.m_step = value_of<MStep>("m_step", m_step);
    estimate.likelihood = value_of<Likelihood>("likelihood", likelihood);
    estimate.expectation = value_of<Expectation>("expectation", expectation);
    estimate.by_masses = by_masses;
    estimate.certain = certain;
    take_latent(latent, estimate);
    return estimate;
}

template <class Value> auto word_in(Value Estimate::* field) {
    return [field](const Estimate& estimate) { return word_of(estimate.*field); };
}

auto rates_in(Rates Performance::* field) {
    return [field](const Estimate& estimate) { return estimate.performance.*field; };
}

void bind_estimate(py::module_& m) {
    py::class_<Estimate>(m, "Estimate", plain_type())
        .def(py::init(&estimate_of), py::kw_only(), "sensitivity"_a, "specificity"_a, "false_negative_rate"_a,
             "false_positive_rate"_a, "prior"_a, "log_likelihood"_a = Rates{}, "iterations"_a = 0,
             "converged"_a = true, "method"_a = "soft-staple", "m_step"_a = "paper",
             "likelihood"_a = "mixture", "expectation"_a = "auto", "by_masses"_a = false, "certain"_a = false,
             "latent"_a = py::none())
        .def_property_readonly("sensitivity", rates_in(&Performance::sensitivity))
        .def_property_readonly("specificity", rates_in(&Performance::specificity))
        .def_property_readonly("false_negative_rate", rates_in(&Performance::false_negative_rate))
        .def_property_readonly("false_positive_rate", rates_in(&Performance::false_positive_rate))
        .def_property_readonly("prior", [](const Estimate& estimate) { return estimate.performance.prior; })
        .def_readonly("log_likelihood", &Estimate::log_likelihood)
        .def_readonly("iterations", &Estimate::iterations)
        .def_readonly("converged", &Estimate::converged)
        .def_property_readonly("method", word_in(&Estimate::method))
        .def_property_readonly("m_step", word_in(&Estimate::m_step))
        .def_property_readonly("likelihood", word_in(&Estimate::likelihood))
        .def_property_readonly("expectation", word_in(&Estimate::expectation))
        .def_readonly("by_masses", &Estimate::by_masses)
        .def_readonly("certain", &Estimate::certain)
        .def_property_readonly("latent", &latent_of);
}

void bind_result(py::module_& m) {
    py::class_<Result>(m, "Result", plain_type())
        .def_property_readonly("sensitivity", vector_in(&Result::sensitivity))
        .def_property_readonly("specificity", vector_in(&Result::specificity))
        .def_readonly("prior", &Result::prior)
        .def_property_readonly("log_likelihood", vector_in(&Result::log_likelihood))
        .def_readonly("iterations", &Result::iterations)
        .def_readonly("converged", &Result::converged)
        .def_readonly("voxels", &Result::voxels)
        .def_readonly("disputed", &Result::disputed)
        .def_property_readonly("volume", vector_in(&Result::volume))
        .def_property_readonly("unmarked", vector_in(&Result::unmarked))
        .def_property_readonly("read", vector_in(&Result::read))
        .def_property_readonly("marked_by", vector_in(&Result::marked_by))
        .def_property_readonly("seen_by", vector_in(&Result::seen_by))
        .def_property_readonly("neither", vector_in(&Result::neither))
        .def_readonly("lowest", &Result::lowest)
        .def_readonly("highest", &Result::highest)
        .def_property_readonly("half_marks",
                               [](const Result& result) -> std::optional<std::array<double, 3>> {
                                   if (!result.half_marks) return std::nullopt;
                                   const HalfMarks& marks = *result.half_marks;
                                   return {{marks.of_mean, marks.of_consensus, marks.of_both}};
                               })
        .def_property_readonly("information",
                               [](const Result& result) { return matrix_of(result.information); })
        .def_property_readonly("variability",
                               [](const Result& result) { return matrix_of(result.variability); })
        .def_readonly("estimate", &Result::estimate)
        .def_readonly("table", &Result::table)
        .def_property_readonly(
            "pattern",
            [](const Result& result) { return array_of<std::int32_t>(result.pattern, result.shape); })
        .def_property_readonly(
            "marked", [](const Result& result) { return array_of<bool>(result.marked, result.shape); });
}

void bind_plan(py::module_& m) {
    py::class_<Plan>(m, "Plan", plain_type())
        .def_property_readonly("model", [](const Plan& plan) { return word_of(plan.model); })
        .def_property_readonly("m_step", [](const Plan& plan) { return word_of(plan.m_step); })
        .def_property_readonly("engine", [](const Plan& plan) { return word_of(plan.engine); })
        .def_property_readonly("otherwise", [](const Plan& plan) { return word_of(plan.otherwise); })
        .def_property_readonly("masses", [](const Plan& plan) { return word_of(plan.masses); })
        .def_readonly("fine", &Plan::fine);
}

} // namespace

void bind_results(py::module_& m) {
    bind_estimate(m);
    bind_result(m);
    bind_plan(m);
    m.def(
        "surely_fits",
        [](const VoteTable& table, const Estimate& estimate, double times, double voxels, double share) {
            return surely_fits(table, estimate, {times, voxels, share});
        },
        "table"_a, "estimate"_a, "times"_a, "voxels"_a, "share"_a);
}

} // namespace fastfuse::bindings
