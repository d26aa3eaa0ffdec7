// Fusion of label maps: tables, estimates, and volumes written from them.
#include "fastfuse/labels.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "label_checks.hpp"
#include "words.hpp"

namespace fastfuse::bindings {

template <>
inline constexpr Words<LabelStart> words<LabelStart> = {
    {"plurality", LabelStart::plurality}, {"vote", LabelStart::vote}, {"itk", LabelStart::itk}};
template <>
inline constexpr Words<Candidates> words<Candidates> = {{"voted", Candidates::voted},
                                                        {"all", Candidates::all}};
template <>
inline constexpr Words<ConfusionModel> words<ConfusionModel> = {{"full", ConfusionModel::full},
                                                                {"class", ConfusionModel::by_class}};

namespace {

using namespace py::literals;
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Integers = py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>;
using OptionalArray = std::optional<py::array>;
using Present = std::vector<OptionalArray>;
using Labels = std::vector<std::int64_t>;

Votes votes_of(const std::vector<py::array>& raters, const OptionalArray& mask, const Present& present,
               const std::string& missing) {
    if (raters.empty()) throw py::value_error("there are no raters");
    if (!present.empty() && present.size() != raters.size())
        throw py::value_error("present needs an entry for each rater");
    Votes votes;
    votes.shape = shape_of(raters[0]);
    for (const py::array& rater : raters)
        votes.raters.push_back(view_of(rater, votes.shape));
    for (const OptionalArray& looked : present)
        votes.present.push_back(view_of(looked, votes.shape));
    votes.mask = view_of(mask, votes.shape);
    votes.missing = value_of<Missing>("missing", missing);
    return votes;
}

void check_labels(const Labels& labels) {
    const bool rise =
        std::adjacent_find(labels.begin(), labels.end(), std::greater_equal<>()) == labels.end();
    if (labels.empty() || !rise || static_cast<std::int64_t>(labels.size()) > most_labels)
        throw py::value_error("labels must rise, and be at most " + std::to_string(most_labels));
}

Labels find(const std::vector<py::array>& raters, const OptionalArray& mask, const Present& present,
            const std::string& missing, int threads) {
    const Votes votes = votes_of(raters, mask, present, missing);
    const ShouldStop ask = signals();
    return without_gil([&] { return find_labels(votes, threads, ask); });
}

LabelTable tabulate(const std::vector<py::array>& raters, const Labels& labels, const OptionalArray& mask,
                    const Present& present, const std::string& missing, int threads) {
    check_labels(labels);
    const Votes votes = votes_of(raters, mask, present, missing);
    const ShouldStop ask = signals();
    return without_gil([&] { return tabulate_labels(votes, labels, threads, ask); });
}

LabelTable table_of(const Labels& labels, const Integers& codes, const Doubles& counts) {
    check_labels(labels);
    if (codes.ndim() != 2 || counts.ndim() != 1 || codes.shape(0) != counts.shape(0) || codes.shape(1) == 0)
        throw py::value_error("a table has codes of shape (rows, raters), and a count for each row");
    LabelTable table;
    table.labels = labels;
    table.raters = static_cast<int>(codes.shape(1));
    const auto code = codes.unchecked<2>();
    for (py::ssize_t i = 0; i < codes.shape(1); ++i)
        for (py::ssize_t row = 0; row < codes.shape(0); ++row) {
            if (code(row, i) < -1 || code(row, i) >= static_cast<std::int64_t>(labels.size()))
                throw py::value_error("codes lie from 0 to the number of labels; -1 is a missing vote");
            table.codes.push_back(code(row, i) < 0 ? no_code : static_cast<Code>(code(row, i)));
        }
    table.counts.assign(counts.data(), counts.data() + counts.size());
    return in_order(table);
}

py::array_t<std::int32_t> codes_of(const LabelTable& table) {
    py::array_t<std::int32_t> codes({table.size(), static_cast<std::int64_t>(table.raters)});
    auto at = codes.mutable_unchecked<2>();
    for (int i = 0; i < table.raters; ++i)
        for (std::int64_t row = 0; row < table.size(); ++row) {
            const Code code = table.codes_of(i)[row];
            at(row, i) = code == no_code ? -1 : code;
        }
    return codes;
}

py::array_t<double> array_of(const std::vector<double>& values, const std::vector<std::size_t>& shape) {
    return py::array_t<double>(shape, values.data());
}

LabelEstimate estimate(const LabelTable& table, const LabelOptions& options) {
    check_options(options, static_cast<std::size_t>(table.raters), table.kinds());
    const ShouldStop ask = signals();
    return without_gil([&] { return estimate_labels(table, options, ask); });
}

std::vector<double> rates_for(const LabelTable& table, const Doubles& confusion) {
    if (static_cast<std::size_t>(confusion.size()) !=
        static_cast<std::size_t>(table.raters) * table.kinds() * table.kinds())
        throw py::value_error("rates of other raters or labels than the table's");
    return {confusion.data(), confusion.data() + confusion.size()};
}

py::array_t<double> fit(const LabelTable& table, const Doubles& counts, const Doubles& confusion,
                        const LabelOptions& options) {
    check_options(options, static_cast<std::size_t>(table.raters), table.kinds());
    if (counts.ndim() != 1 || counts.size() != table.size())
        throw py::value_error("counts needs an entry for each row");
    const std::vector<double> rates = rates_for(table, confusion);
    const std::vector<double> voxels(counts.data(), counts.data() + counts.size());
    const ShouldStop ask = signals();
    const auto found = without_gil([&] { return fit_labels(table, voxels, rates, options, ask); });
    return array_of(found, {static_cast<std::size_t>(table.raters), table.kinds(), table.kinds()});
}

LabelEstimate apply(const LabelTable& table, const Doubles& confusion, const std::vector<double>& prior,
                    const std::string& candidates, int threads) {
    const std::vector<double> rates = rates_for(table, confusion);
    if (prior.size() != table.kinds()) throw py::value_error("prior needs an entry for each label");
    const auto kind = value_of<Candidates>("candidates", candidates);
    const ShouldStop ask = signals();
    return without_gil([&] { return apply_labels(table, rates, prior, kind, threads, ask); });
}

void put_label(const LabelTable& table, const RowTruths& truths, py::array out, int rank,
               std::optional<std::int64_t> undecided, int threads) {
    const LabelOutput to = integers_of(out);
    const ShouldStop ask = signals();
    without_gil([&] { write_label(table, truths, rank, undecided, to, threads, ask); });
}

void put_ranked(const LabelTable& table, const RowTruths& truths, py::array out, int rank, int threads) {
    const Output to = output_of(out);
    const ShouldStop ask = signals();
    without_gil([&] { write_ranked(table, truths, rank, to, threads, ask); });
}

void put_probability(const LabelTable& table, const RowTruths& truths, py::array out,
                     const std::vector<Code>& codes, int threads) {
    for (const Code code : codes)
        if (code >= table.kinds()) throw py::value_error("codes holds a code that is none");
    const Output to = output_of(out);
    const ShouldStop ask = signals();
    without_gil([&] { write_probability(table, truths, codes, to, threads, ask); });
}

void put_entropy(const LabelTable& table, const RowTruths& truths, py::array out, int threads) {
    const Output to = output_of(out);
    const ShouldStop ask = signals();
    without_gil([&] { write_entropy(table, truths, to, threads, ask); });
}

template <class T> py::array_t<T> flat(const std::vector<T>& values) {
    return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

// What a table, truths or options are made of, for pickle and copy.
py::tuple parts_of(const LabelTable& table) {
    py::object rows = py::none();
    if (table.index) rows = flat(rows_of_voxels(table));
    return py::make_tuple(table.labels, table.raters, flat(table.codes), flat(table.counts), rows);
}

LabelTable table_of_parts(const py::tuple& parts) {
    LabelTable table;
    table.labels = parts[0].cast<std::vector<std::int64_t>>();
    table.raters = parts[1].cast<int>();
    const auto codes = parts[2].cast<py::array_t<Code>>();
    const auto counts = parts[3].cast<py::array_t<double>>();
    table.codes.assign(codes.data(), codes.data() + codes.size());
    table.counts.assign(counts.data(), counts.data() + counts.size());
    if (!parts[4].is_none()) {
        const auto rows = parts[4].cast<py::array_t<std::int32_t>>();
        table.index = index_of_rows(rows.data(), rows.size(), table.size());
    }
    return table;
}

py::tuple parts_of_truths(const RowTruths& truths) {
    return py::make_tuple(flat(truths.first), flat(truths.code), flat(truths.weight));
}

template <class T> std::vector<T> listed(const py::handle& part) {
    const auto array = part.cast<py::array_t<T>>();
    return {array.data(), array.data() + array.size()};
}

RowTruths truths_of_parts(const py::tuple& parts) {
    return {listed<std::int64_t>(parts[0]), listed<Code>(parts[1]), listed<double>(parts[2])};
}

py::tuple parts_of_options(const LabelOptions& options) {
    py::object belief = py::none();
    if (options.performance_prior)
        belief = py::make_tuple(options.performance_prior->belief, options.performance_prior->diagonal);
    return py::make_tuple(options.votes_alone, options.weights, word_of(options.start),
                          word_of(options.candidates), word_of(options.confusion), options.estimates_prior,
                          options.prior, belief, options.unknown, options.tol, options.max_iter,
                          word_of(options.acceleration), options.threads, options.known);
}

LabelOptions options_of_parts(const py::tuple& parts) {
    LabelOptions options;
    options.votes_alone = parts[0].cast<bool>();
    options.weights = parts[1].cast<std::vector<double>>();
    options.start = value_of<LabelStart>("start", parts[2].cast<std::string>());
    options.candidates = value_of<Candidates>("candidates", parts[3].cast<std::string>());
    options.confusion = value_of<ConfusionModel>("confusion", parts[4].cast<std::string>());
    options.estimates_prior = parts[5].cast<bool>();
    options.prior = parts[6].cast<std::vector<double>>();
    if (!parts[7].is_none()) {
        const auto belief = parts[7].cast<std::pair<double, double>>();
        options.performance_prior = DirichletPrior{belief.first, belief.second};
    }
    options.unknown = parts[8].cast<std::vector<std::vector<Code>>>();
    options.tol = parts[9].cast<double>();
    options.max_iter = parts[10].cast<int>();
    options.acceleration = value_of<Acceleration>("acceleration", parts[11].cast<std::string>());
    options.threads = parts[12].cast<int>();
    options.known = parts[13].cast<std::vector<double>>();
    return options;
}

// An option whose values are words.
template <class Value>
void bind_choice(py::class_<LabelOptions>& to, const char* name, Value LabelOptions::* field) {
    to.def_property(
        name, [field](const LabelOptions& options) { return word_of(options.*field); },
        [field, name](LabelOptions& options, const std::string& word) {
            options.*field = value_of<Value>(name, word);
        });
}

void bind_label_options(py::module_& m) {
    py::class_<LabelOptions> options(m, "LabelOptions", plain_type());
    options.def(py::init<>())
        .def(py::pickle(&parts_of_options, &options_of_parts))
        .def_readwrite("votes_alone", &LabelOptions::votes_alone)
        .def_readwrite("weights", &LabelOptions::weights)
        .def_readwrite("estimates_prior", &LabelOptions::estimates_prior)
        .def_readwrite("prior", &LabelOptions::prior)
        .def_readwrite("unknown", &LabelOptions::unknown)
        .def_readwrite("known", &LabelOptions::known)
        .def_readwrite("tol", &LabelOptions::tol)
        .def_readwrite("max_iter", &LabelOptions::max_iter)
        .def_readwrite("threads", &LabelOptions::threads);
    bind_choice(options, "start", &LabelOptions::start);
    bind_choice(options, "candidates", &LabelOptions::candidates);
    bind_choice(options, "confusion", &LabelOptions::confusion);
    bind_choice(options, "acceleration", &LabelOptions::acceleration);
    using Pair = std::optional<std::pair<double, double>>;
    options.def_property(
        "performance_prior",
        [](const LabelOptions& self) -> Pair {
            if (!self.performance_prior) return std::nullopt;
            return std::pair(self.performance_prior->belief, self.performance_prior->diagonal);
        },
        [](LabelOptions& self, const Pair& pair) {
            self.performance_prior.reset();
            if (pair) self.performance_prior = DirichletPrior{pair->first, pair->second};
        });
}

void bind_label_results(py::module_& m) {
    py::class_<LabelTable>(m, "LabelTable", plain_type())
        .def(py::init(&table_of), "labels"_a, "codes"_a, "counts"_a)
        .def(py::pickle(&parts_of, &table_of_parts))
        .def_property_readonly("labels", [](const LabelTable& self) { return self.labels; })
        .def_property_readonly("raters", [](const LabelTable& self) { return self.raters; })
        .def_property_readonly("codes", &codes_of)
        .def_property_readonly("volume",
                               [](const LabelTable& self) {
                                   return array_of(volume_of(self),
                                                   {static_cast<std::size_t>(self.raters), self.kinds()});
                               })
        .def_property_readonly("size", &LabelTable::size)
        .def_property_readonly(
            "counts", [](const LabelTable& self) { return array_of(self.counts, {self.counts.size()}); });
    py::class_<RowTruths>(m, "LabelTruths", plain_type())
        .def(py::pickle(&parts_of_truths, &truths_of_parts))
        .def_property_readonly("size", [](const RowTruths& self) { return self.code.size(); });
    const auto in_matrix = [](std::vector<double> LabelEstimate::* member) {
        return [member](const LabelEstimate& self) {
            const std::size_t labels = self.prior.size();
            return array_of(self.*member, {(self.*member).size() / labels, labels});
        };
    };
    const auto in_vector = [](std::vector<double> LabelEstimate::* member) {
        return
            [member](const LabelEstimate& self) { return array_of(self.*member, {(self.*member).size()}); };
    };
    py::class_<LabelEstimate>(m, "LabelEstimate", plain_type())
        .def_property_readonly("confusion",
                               [](const LabelEstimate& self) {
                                   const std::size_t labels = self.prior.size();
                                   return array_of(self.confusion,
                                                   {self.confusion.size() / labels / labels, labels, labels});
                               })
        .def_property_readonly("prior", in_vector(&LabelEstimate::prior))
        .def_property_readonly("log_likelihood", in_vector(&LabelEstimate::log_likelihood))
        .def_property_readonly("log_prior", in_vector(&LabelEstimate::log_prior))
        .def_property_readonly("mass", in_vector(&LabelEstimate::mass))
        .def_property_readonly("seen", in_matrix(&LabelEstimate::seen))
        .def_property_readonly("agreed", in_matrix(&LabelEstimate::agreed))
        .def_readonly("iterations", &LabelEstimate::iterations)
        .def_readonly("converged", &LabelEstimate::converged)
        .def_readonly("voxels", &LabelEstimate::voxels)
        .def_readonly("truths", &LabelEstimate::truths, py::return_value_policy::reference_internal);
}

} // namespace

void bind_labels(py::module_& m) {
    bind_label_options(m);
    bind_label_results(m);
    m.def("find_labels", &find, "raters"_a, py::kw_only(), "mask"_a = py::none(), "present"_a = py::tuple(),
          "missing"_a = "error", "threads"_a = 0);
    m.def("tabulate_labels", &tabulate, "raters"_a, "labels"_a, py::kw_only(), "mask"_a = py::none(),
          "present"_a = py::tuple(), "missing"_a = "error", "threads"_a = 0);
    m.def("estimate_labels", &estimate, "table"_a, py::kw_only(), "options"_a);
    m.def("fit_labels", &fit, "table"_a, "counts"_a, "confusion"_a, py::kw_only(), "options"_a);
    m.def("apply_labels", &apply, "table"_a, "confusion"_a, "prior"_a, py::kw_only(),
          "candidates"_a = "voted", "threads"_a = 0);
    m.def("write_label", &put_label, "table"_a, "truths"_a, "out"_a, py::kw_only(), "rank"_a = 0,
          "undecided"_a = py::none(), "threads"_a = 0);
    m.def("write_ranked", &put_ranked, "table"_a, "truths"_a, "out"_a, py::kw_only(), "rank"_a = 0,
          "threads"_a = 0);
    m.def("write_probability", &put_probability, "table"_a, "truths"_a, "out"_a, "codes"_a, py::kw_only(),
          "threads"_a = 0);
    m.def("write_entropy", &put_entropy, "table"_a, "truths"_a, "out"_a, py::kw_only(), "threads"_a = 0);
}

} // namespace fastfuse::bindings
