// Fusion of soft votes of K labels.
#include "fastfuse/soft_labels.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "label_checks.hpp"
#include "words.hpp"

namespace fastfuse::bindings {

template <>
inline constexpr Words<SoftModel> words<SoftModel> = {{"mean", SoftModel::mean},
                                                      {"mixture", SoftModel::mixture},
                                                      {"log_linear", SoftModel::log_linear},
                                                      {"enumeration", SoftModel::enumeration}};

namespace {

using namespace py::literals;
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using OptionalArray = std::optional<py::array>;
using Kinds = std::optional<Doubles>;

// Votes, and the arrays in which they lie.
struct HeldVotes {
    SoftVotes votes;
    std::vector<py::object> arrays;
    py::tuple made_of; // what they were made of, for pickle and copy
};

// An estimate, and what it was made by.
struct HeldEstimate {
    SoftEstimate estimate;
    SoftOptions options;
};

SoftRater with_kinds(const Doubles& kinds, std::size_t labels) {
    if (kinds.ndim() != 2 || kinds.shape(1) != static_cast<py::ssize_t>(labels))
        throw py::value_error("kinds has a row of K probabilities for each code");
    SoftRater rater;
    rater.kinds.assign(kinds.data(), kinds.data() + kinds.size());
    return rater;
}

HeldVotes of_arrays(std::size_t labels, const std::vector<std::vector<py::array>>& raters,
                    const std::vector<Kinds>& kinds, const OptionalArray& mask,
                    const std::vector<OptionalArray>& present, const std::vector<py::array>& prior,
                    const std::string& missing) {
    if (raters.empty() || kinds.size() != raters.size() || labels == 0)
        throw py::value_error("votes need raters, labels, and an entry of kinds for each rater");
    if (!present.empty() && present.size() != raters.size())
        throw py::value_error("present needs an entry for each rater");
    if (!prior.empty() && prior.size() != labels)
        throw py::value_error("prior needs an array for each label");
    HeldVotes held;
    SoftVotes& votes = held.votes;
    votes.labels = labels;
    for (std::size_t i = 0; i < raters.size(); ++i) {
        if (raters[i].size() != (kinds[i] ? 1 : labels))
            throw py::value_error("a rater has K arrays, or a map of codes with kinds");
        if (i == 0) votes.grid.shape = shape_of(raters[0][0]);
        SoftRater rater = kinds[i] ? with_kinds(*kinds[i], labels) : SoftRater{};
        for (const py::array& array : raters[i]) {
            rater.classes.push_back(view_of(array, votes.grid.shape));
            held.arrays.push_back(array);
        }
        if (kinds[i]) {
            rater.map = rater.classes[0];
            rater.classes.clear();
        }
        votes.raters.push_back(std::move(rater));
    }
    for (const OptionalArray& looked : present) {
        votes.grid.present.push_back(view_of(looked, votes.grid.shape));
        held.arrays.push_back(py::cast(looked));
    }
    for (const py::array& of_label : prior) {
        votes.prior.push_back(view_of(of_label, votes.grid.shape));
        held.arrays.push_back(of_label);
    }
    votes.grid.mask = view_of(mask, votes.grid.shape);
    held.arrays.push_back(py::cast(mask));
    votes.grid.missing = value_of<Missing>("missing", missing);
    held.made_of = py::make_tuple(labels, raters, kinds, mask, present, prior, missing);
    return held;
}

bool is_identity(const std::vector<double>& kinds, std::size_t labels) {
    for (std::size_t k = 0; k < kinds.size(); ++k)
        if (kinds[k] != (k / labels == k % labels)) return false;
    return kinds.size() == labels * labels;
}

// A map of priors for each label, where each code stands for its label.
void add_priors(const std::vector<py::array>& prior, HeldVotes& held) {
    SoftVotes& votes = held.votes;
    if (prior.empty()) return;
    if (prior.size() != votes.labels || !votes.tuples->index || votes.tuples->kinds() != votes.labels)
        throw py::value_error("prior needs an array for each label, and a table of voxels");
    for (const SoftRater& rater : votes.raters)
        if (!is_identity(rater.kinds, votes.labels))
            throw py::value_error("prior needs kinds that are the labels");
    votes.grid.shape = shape_of(prior[0]);
    for (const py::array& of_label : prior) {
        votes.prior.push_back(view_of(of_label, votes.grid.shape));
        held.arrays.push_back(of_label);
    }
}

HeldVotes of_table(std::size_t labels, const LabelTable& table, const std::vector<Doubles>& kinds,
                   const std::vector<py::array>& prior) {
    if (kinds.size() != static_cast<std::size_t>(table.raters) || labels == 0)
        throw py::value_error("kinds needs an entry for each rater");
    HeldVotes held;
    held.votes.labels = labels;
    for (int i = 0; i < table.raters; ++i) {
        held.votes.raters.push_back(with_kinds(kinds[static_cast<std::size_t>(i)], labels));
        const std::size_t codes = held.votes.raters.back().kinds.size() / labels;
        for (std::int64_t row = 0; row < table.size(); ++row)
            if (const Code code = table.codes_of(i)[row]; code != no_code && code >= codes)
                throw py::value_error("the table holds a code without a kind");
    }
    held.votes.tuples = table;
    add_priors(prior, held);
    held.made_of = py::make_tuple(labels, table, kinds, prior);
    return held;
}

py::tuple parts_of_votes(const HeldVotes& held) {
    return py::make_tuple(held.made_of, held.votes.truncation);
}

HeldVotes votes_of_parts(const py::tuple& parts) {
    const auto made_of = parts[0].cast<py::tuple>();
    const auto labels = made_of[0].cast<std::size_t>();
    HeldVotes held =
        made_of.size() == 4
            ? of_table(labels, made_of[1].cast<LabelTable>(), made_of[2].cast<std::vector<Doubles>>(),
                       made_of[3].cast<std::vector<py::array>>())
            : of_arrays(labels, made_of[1].cast<std::vector<std::vector<py::array>>>(),
                        made_of[2].cast<std::vector<Kinds>>(), made_of[3].cast<OptionalArray>(),
                        made_of[4].cast<std::vector<OptionalArray>>(),
                        made_of[5].cast<std::vector<py::array>>(), made_of[6].cast<std::string>());
    held.votes.truncation = parts[1].cast<double>();
    return held;
}

// What writers of volumes go by.
py::tuple parts_of_estimate(const HeldEstimate& made) {
    const LabelEstimate& found = made.estimate.found;
    return py::make_tuple(made.options.common, word_of(made.options.model), word_of(made.options.m_step),
                          made.estimate.theta, found.confusion, found.prior, found.log_likelihood,
                          found.log_prior, found.iterations, found.converged, found.voxels, found.mass,
                          found.seen, found.agreed);
}

HeldEstimate estimate_of_parts(const py::tuple& parts) {
    using Numbers = std::vector<double>;
    HeldEstimate made;
    made.options.common = parts[0].cast<LabelOptions>();
    made.options.model = value_of<SoftModel>("model", parts[1].cast<std::string>());
    made.options.m_step = value_of<MStep>("m_step", parts[2].cast<std::string>());
    made.estimate.theta = parts[3].cast<Numbers>();
    LabelEstimate& found = made.estimate.found;
    found.confusion = parts[4].cast<Numbers>();
    found.prior = parts[5].cast<Numbers>();
    found.log_likelihood = parts[6].cast<Numbers>();
    found.log_prior = parts[7].cast<Numbers>();
    found.iterations = parts[8].cast<int>();
    found.converged = parts[9].cast<bool>();
    found.voxels = parts[10].cast<double>();
    found.mass = parts[11].cast<Numbers>();
    found.seen = parts[12].cast<Numbers>();
    found.agreed = parts[13].cast<Numbers>();
    return made;
}

HeldEstimate estimate_held(const HeldVotes& held, const LabelOptions& common, const std::string& model,
                           const std::string& m_step) {
    HeldEstimate made;
    made.options.common = common;
    made.options.model = value_of<SoftModel>("model", model);
    made.options.m_step = value_of<MStep>("m_step", m_step);
    if (held.votes.are_mapped() && made.options.model != SoftModel::enumeration)
        throw py::value_error("a table with a map of priors needs the model enumeration");
    check_options(common, static_cast<std::size_t>(held.votes.size()), held.votes.labels);
    const ShouldStop ask = signals();
    made.estimate = without_gil([&] { return estimate_soft(held.votes, made.options, ask); });
    return made;
}

void put_label(const HeldVotes& held, const HeldEstimate& made, py::array out,
               const std::vector<std::int64_t>& labels, int rank, std::optional<std::int64_t> undecided) {
    if (labels.size() != held.votes.labels) throw py::value_error("labels needs K entries");
    const LabelOutput to = integers_of(out);
    const ShouldStop ask = signals();
    without_gil(
        [&] { write_soft_label(held.votes, made.options, made.estimate, labels, rank, undecided, to, ask); });
}

void put_ranked(const HeldVotes& held, const HeldEstimate& made, py::array out, int rank) {
    const Output to = output_of(out);
    const ShouldStop ask = signals();
    without_gil([&] { write_soft_ranked(held.votes, made.options, made.estimate, rank, to, ask); });
}

void put_probability(const HeldVotes& held, const HeldEstimate& made, py::array out,
                     const std::vector<Code>& codes) {
    for (const Code code : codes)
        if (code >= held.votes.labels) throw py::value_error("codes holds a code that is none");
    const Output to = output_of(out);
    const ShouldStop ask = signals();
    without_gil([&] { write_soft_probability(held.votes, made.options, made.estimate, codes, to, ask); });
}

void put_entropy(const HeldVotes& held, const HeldEstimate& made, py::array out) {
    const Output to = output_of(out);
    const ShouldStop ask = signals();
    without_gil([&] { write_soft_entropy(held.votes, made.options, made.estimate, to, ask); });
}

py::dict survey(const HeldVotes& held, int threads) {
    const ShouldStop ask = signals();
    const SoftSurvey found = without_gil([&] { return survey_soft(held.votes, threads, ask); });
    const std::vector<std::size_t> shape{static_cast<std::size_t>(held.votes.size()), held.votes.labels};
    return py::dict("volume"_a = py::array_t<double>(shape, found.volume.data()), "voxels"_a = found.voxels,
                    "most_dropped"_a = found.most_dropped, "mean_dropped"_a = found.mean_dropped,
                    "prior"_a = found.prior, "clamped"_a = found.clamped);
}

std::vector<double> terms(const HeldVotes& held, const std::vector<double>& truncations, int threads) {
    const ShouldStop ask = signals();
    return without_gil([&] { return count_terms(held.votes, truncations, threads, ask); });
}

} // namespace

void bind_soft_labels(py::module_& m) {
    py::class_<HeldVotes>(m, "SoftVotes", plain_type())
        .def(py::pickle(&parts_of_votes, &votes_of_parts))
        .def_static("of_arrays", &of_arrays, "labels"_a, "raters"_a, "kinds"_a, py::kw_only(),
                    "mask"_a = py::none(), "present"_a = py::tuple(), "prior"_a = py::tuple(),
                    "missing"_a = "error")
        .def_static("of_table", &of_table, "labels"_a, "table"_a, "kinds"_a, py::kw_only(),
                    "prior"_a = py::tuple())
        .def_property(
            "truncation", [](const HeldVotes& self) { return self.votes.truncation; },
            [](HeldVotes& self, double truncation) {
                if (!(truncation >= 0 && truncation < 1)) throw py::value_error("truncation is in [0, 1)");
                self.votes.truncation = truncation;
            });
    py::class_<HeldEstimate>(m, "SoftEstimate", plain_type())
        .def(py::pickle(&parts_of_estimate, &estimate_of_parts))
        .def_property_readonly(
            "found", [](const HeldEstimate& self) -> const LabelEstimate& { return self.estimate.found; },
            py::return_value_policy::reference_internal);
    m.def("survey_soft", &survey, "votes"_a, py::kw_only(), "threads"_a = 0);
    m.def("count_terms", &terms, "votes"_a, "truncations"_a, py::kw_only(), "threads"_a = 0);
    m.def("estimate_soft", &estimate_held, "votes"_a, py::kw_only(), "options"_a, "model"_a,
          "m_step"_a = "paper");
    m.def("write_soft_label", &put_label, "votes"_a, "estimate"_a, "out"_a, "labels"_a, py::kw_only(),
          "rank"_a = 0, "undecided"_a = py::none());
    m.def("write_soft_ranked", &put_ranked, "votes"_a, "estimate"_a, "out"_a, py::kw_only(), "rank"_a = 0);
    m.def("write_soft_probability", &put_probability, "votes"_a, "estimate"_a, "out"_a, "codes"_a);
    m.def("write_soft_entropy", &put_entropy, "votes"_a, "estimate"_a, "out"_a);
}

} // namespace fastfuse::bindings
