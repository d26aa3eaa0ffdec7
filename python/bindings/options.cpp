// Options as a class: each by its name, with the words of Python for its values.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <string>
#include <utility>
#include <variant>

#include "bindings.hpp"
#include "words.hpp"

namespace fastfuse::bindings {
namespace {

using PriorValue = std::variant<double, std::string>;
using Betas = std::pair<std::pair<double, double>, std::pair<double, double>>;

PriorValue prior_of(const Options& options) {
    if (const auto number = options.fixed_prior()) return *number;
    return word_of(std::get<Prior>(options.prior));
}

void set_prior(Options& options, const PriorValue& value) {
    if (const double* number = std::get_if<double>(&value))
        options.prior = *number;
    else
        options.prior = value_of<Prior>("prior", std::get<std::string>(value));
}

PriorValue init_of(const Options& options) {
    if (options.init) return *options.init;
    return "vote";
}

void set_init(Options& options, const PriorValue& value) {
    options.init.reset();
    if (const double* number = std::get_if<double>(&value))
        options.init = *number;
    else if (std::get<std::string>(value) != "vote")
        throw py::value_error("no init " + std::get<std::string>(value));
}

Betas betas_of(const Options& options) {
    const PerformancePrior& prior = options.performance_prior;
    return {{prior.sensitivity.a, prior.sensitivity.b}, {prior.specificity.a, prior.specificity.b}};
}

void set_betas(Options& options, const Betas& betas) {
    options.performance_prior.sensitivity = {betas.first.first, betas.first.second};
    options.performance_prior.specificity = {betas.second.first, betas.second.second};
}

// Of each rater: true positives, false negatives, true negatives, false positives.
using Known = std::vector<std::array<double, 4>>;

Known known_of(const Options& options) {
    Known known;
    for (const KnownVotes& votes : options.performance_prior.known)
        known.push_back(
            {votes.true_positive, votes.false_negative, votes.true_negative, votes.false_positive});
    return known;
}

void set_known(Options& options, const Known& known) {
    options.performance_prior.known.clear();
    for (const auto& [true_positive, false_negative, true_negative, false_positive] : known)
        options.performance_prior.known.push_back(
            {true_positive, false_negative, true_negative, false_positive});
}

// An option whose values are words.
template <class Value> void bind_choice(py::class_<Options>& to, const char* name, Value Options::* field) {
    to.def_property(
        name, [field](const Options& options) { return word_of(options.*field); },
        [field, name](Options& options, const std::string& word) {
            options.*field = value_of<Value>(name, word);
        });
}

} // namespace

void bind_options(py::module_& m) {
    py::class_<Options> options(m, "Options", plain_type());
    options.def(py::init<>());
    bind_choice(options, "method", &Options::method);
    options.def_readwrite("classes", &Options::classes);
    bind_choice(options, "m_step", &Options::m_step);
    bind_choice(options, "expectation", &Options::expectation);
    bind_choice(options, "likelihood", &Options::likelihood);
    options.def_property("prior", &prior_of, &set_prior);
    options.def_property("init", &init_of, &set_init);
    bind_choice(options, "roi", &Options::roi);
    bind_choice(options, "missing", &Options::missing);
    options.def_readwrite("mrf", &Options::mrf);
    options.def_readwrite("spacing_mm", &Options::spacing_mm);
    options.def_property("performance_prior", &betas_of, &set_betas);
    options.def_property("known", &known_of, &set_known);
    bind_choice(options, "intervals", &Options::intervals);
    options.def_readwrite("tol", &Options::tol);
    options.def_readwrite("max_iter", &Options::max_iter);
    bind_choice(options, "acceleration", &Options::acceleration);
    options.def_readwrite("select_label", &Options::select_label);
    options.def_readwrite("threads", &Options::threads);
    bind_choice(options, "route", &Options::route);
}

} // namespace fastfuse::bindings
