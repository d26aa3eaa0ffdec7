// Vote tables: patterns and counts as arrays.
#include "fastfuse/vote_table.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "fastfuse/votes.hpp"

namespace fastfuse::bindings {
namespace {

using namespace py::literals;
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;

double vote_from(double value) {
    if (std::isnan(value)) return missing_vote;
    if (!(value >= 0 && value <= 1)) throw py::value_error("patterns hold a vote outside [0, 1]");
    return value + 0.0; // no negative zero
}

double count_from(double value) {
    if (!(value >= 0 && value == std::floor(value) && std::isfinite(value)))
        throw py::value_error("counts must be whole numbers of at least 0");
    return value;
}

VoteTable table_of(const Doubles& patterns, const Doubles& counts) {
    if (patterns.ndim() != 2 || counts.ndim() != 1 || patterns.shape(0) != counts.shape(0) ||
        patterns.shape(1) == 0)
        throw py::value_error("a vote table has patterns of shape (rows, raters), and a count for each row");
    const auto vote = patterns.unchecked<2>();
    const auto count = counts.unchecked<1>();
    Watch watch(signals());
    return without_gil([&] {
        Patience patience(watch);
        std::vector<double> votes, voxels;
        votes.reserve(static_cast<std::size_t>(vote.size()));
        for (py::ssize_t i = 0; i < vote.shape(1); ++i)
            for (py::ssize_t row = 0; row < vote.shape(0); ++row) {
                votes.push_back(vote_from(vote(row, i)));
                patience.after(1);
            }
        for (py::ssize_t row = 0; row < count.shape(0); ++row)
            voxels.push_back(count_from(count(row)));
        const auto raters = static_cast<int>(vote.shape(1));
        return VoteTable::in_order({raters, std::move(votes), std::move(voxels)}, watch);
    });
}

py::array_t<double> patterns_of(const VoteTable& table) {
    py::array_t<double> patterns({table.size(), static_cast<std::int64_t>(table.raters())});
    auto at = patterns.mutable_unchecked<2>();
    Watch watch(signals());
    without_gil([&] {
        Patience patience(watch);
        for (std::int64_t row = 0; row < table.size(); ++row) {
            patience.after(table.raters());
            for (int i = 0; i < table.raters(); ++i) {
                const double vote = table.votes_of(i)[row];
                at(row, i) = is_missing(vote) ? std::numeric_limits<double>::quiet_NaN() : vote;
            }
        }
    });
    return patterns;
}

py::array_t<double> counts_of(const VoteTable& table) {
    return py::array_t<double>(static_cast<py::ssize_t>(table.size()), table.counts().data());
}

VoteTable add(const VoteTable& self, const VoteTable& other) {
    if (self.raters() != other.raters())
        throw py::value_error("a table of " + std::to_string(self.raters()) + " raters and one of " +
                              std::to_string(other.raters()));
    Watch watch(signals());
    return without_gil([&] { return self.add(other, watch); });
}

VoteTable drop(const VoteTable& self, int rater) {
    if (rater < 0 || rater >= self.raters())
        throw py::index_error("no rater " + std::to_string(rater) + " in a table of " +
                              std::to_string(self.raters()));
    if (self.raters() == 1) throw py::value_error("the only rater of a table cannot be dropped");
    Watch watch(signals());
    return without_gil([&] { return self.drop(rater, watch); });
}

} // namespace

void bind_vote_table(py::module_& m) {
    py::class_<VoteTable> table(m, "VoteTable", plain_type());
    table.def(py::init(&table_of), "patterns"_a, "counts"_a)
        .def_property_readonly("patterns", &patterns_of)
        .def_property_readonly("counts", &counts_of)
        .def_property_readonly("raters", &VoteTable::raters)
        .def("add", &add, "other"_a)
        .def("drop", &drop, "rater"_a)
        .def(
            "__eq__", [](const VoteTable& self, const VoteTable& other) { return self == other; },
            py::is_operator());
    table.attr("__hash__") = py::none();
}

} // namespace fastfuse::bindings
