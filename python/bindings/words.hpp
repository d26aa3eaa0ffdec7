// The words of Python for the values of options and plans.
#pragma once

#include <pybind11/pybind11.h>

#include <initializer_list>
#include <string>
#include <utility>

#include "fastfuse/fusion.hpp"
#include "fastfuse/model.hpp"
#include "fastfuse/plan.hpp"

namespace fastfuse::bindings {

namespace py = pybind11;

template <class Value> using Words = std::initializer_list<std::pair<const char*, Value>>;

template <class Value> constexpr Words<Value> words = {};
template <>
inline constexpr Words<Method> words<Method> = {{"staple", Method::staple},
                                                {"soft-staple", Method::soft_staple},
                                                {"simplified-soft-staple", Method::simplified_soft_staple},
                                                {"majority", Method::majority},
                                                {"border-staple", Method::border_staple}};
template <> inline constexpr Words<MStep> words<MStep> = {{"paper", MStep::paper}, {"em", MStep::em}};
template <>
inline constexpr Words<Expectation> words<Expectation> = {{"auto", Expectation::automatic},
                                                          {"enumerate", Expectation::enumerate},
                                                          {"characteristic", Expectation::characteristic}};
template <>
inline constexpr Words<Likelihood> words<Likelihood> = {{"mixture", Likelihood::mixture},
                                                        {"log_linear", Likelihood::log_linear}};
template <>
inline constexpr Words<Prior> words<Prior> = {{"mean", Prior::mean}, {"estimate", Prior::estimate}};
template <> inline constexpr Words<Roi> words<Roi> = {{"all", Roi::all}, {"disputed", Roi::disputed}};
template <>
inline constexpr Words<Missing> words<Missing> = {{"error", Missing::error}, {"nan", Missing::nan}};
template <>
inline constexpr Words<Intervals> words<Intervals> = {{"none", Intervals::none},
                                                      {"information", Intervals::information},
                                                      {"bootstrap", Intervals::bootstrap},
                                                      {"lesions", Intervals::lesions}};
template <>
inline constexpr Words<Acceleration> words<Acceleration> = {
    {"none", Acceleration::none}, {"squarem", Acceleration::squarem}, {"sample", Acceleration::sample}};
template <>
inline constexpr Words<Route> words<Route> = {{"auto", Route::automatic},
                                              {"patterns", Route::patterns},
                                              {"lanes", Route::lanes},
                                              {"rows", Route::rows}};

template <>
inline constexpr Words<Model> words<Model> = {
    {"mean_vote", Model::mean_vote},           {"product", Model::product},
    {"log_linear", Model::log_linear},         {"enumerated", Model::enumerated},
    {"characteristic", Model::characteristic}, {"cheaper", Model::cheaper}};
template <>
inline constexpr Words<EngineKind> words<EngineKind> = {{"table", EngineKind::table},
                                                        {"voxels", EngineKind::voxels},
                                                        {"lanes", EngineKind::lanes},
                                                        {"field", EngineKind::field},
                                                        {"field_by_table", EngineKind::field_by_table},
                                                        {"field_by_lanes", EngineKind::field_by_lanes},
                                                        {"device_table", EngineKind::device_table},
                                                        {"device_lanes", EngineKind::device_lanes}};
template <>
inline constexpr Words<MassUse> words<MassUse> = {
    {"never", MassUse::never}, {"when_cheaper", MassUse::when_cheaper}, {"known", MassUse::known}};

template <class Value> std::string word_of(Value value) {
    for (const auto& [word, known] : words<Value>)
        if (value == known) return word;
    throw py::value_error("a value without a word");
}

// Throws ValueError for a word that is not there.
template <class Value> Value value_of(const std::string& option, const std::string& word) {
    for (const auto& [known, value] : words<Value>)
        if (word == known) return value;
    throw py::value_error("no " + option + " " + word);
}

} // namespace fastfuse::bindings
