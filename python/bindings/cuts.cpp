#include "fastfuse/cuts.hpp"

#include <pybind11/stl.h>

#include "arrays.hpp"
#include "bindings.hpp"

namespace fastfuse::bindings {
namespace {

// Voxels of the masks of the consensus, of this one where each rater votes, of each rater, of these in the
// consensus's, of the mean, and of this one in the consensus's.
py::tuple count_cuts(const py::array& consensus, const std::vector<py::array>& raters, float cut,
                     const std::vector<float>& cuts, const std::vector<float>& cuts_of_sums, int threads) {
    const Shape shape = shape_of(consensus);
    if (cuts.size() != raters.size()) throw py::value_error("each rater has a cut");
    if (cuts_of_sums.size() != raters.size() + 1)
        throw py::value_error("no votes, one, and so on have a cut");
    const View written = view_of(consensus, shape);
    std::vector<View> votes;
    for (const py::array& rater : raters)
        votes.push_back(view_of(rater, shape));
    const Team team(threads, signals());
    const CutCounts found = without_gil(
        [&] { return fastfuse::count_cuts(written, votes, {cut, cuts, cuts_of_sums}, shape, team); });
    return py::make_tuple(found.consensus, found.seen, found.marked, found.both, found.mean,
                          found.mean_and_consensus);
}

} // namespace

void bind_cuts(py::module_& m) {
    m.def("count_cuts", &count_cuts, py::arg("consensus"), py::arg("raters"), py::kw_only(), py::arg("cut"),
          py::arg("cuts"), py::arg("cuts_of_sums"), py::arg("threads") = 0);
}

} // namespace fastfuse::bindings
