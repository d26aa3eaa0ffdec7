#include <pybind11/stl.h>

#include "arrays.hpp"
#include "bindings.hpp"
#include "fastfuse/smoothing.hpp"

namespace fastfuse::bindings {
namespace {

using Floats = py::array_t<float, py::array::c_style>;

// Smooths a volume along one axis, where it lies.
void smooth_axis(Floats& volume, std::size_t axis, const std::vector<double>& weight, int threads) {
    const Shape shape = shape_of(volume);
    if (axis >= shape.size()) throw py::value_error("the volume has no such axis");
    if (weight.empty()) throw py::value_error("a kernel has at least one weight");
    Lines lines{1, shape[axis], 1};
    for (std::size_t a = 0; a < shape.size(); ++a) {
        if (a < axis) lines.outer *= shape[a];
        if (a > axis) lines.inner *= shape[a];
    }
    float* const voxels = volume.mutable_data();
    const Team team(threads, signals());
    without_gil([&] { smooth_lines(voxels, lines, weight, voxels, team); });
}

} // namespace

void bind_smoothing(py::module_& m) {
    m.def("smooth_axis", &smooth_axis, py::arg("volume").noconvert(), py::kw_only(), py::arg("axis"),
          py::arg("weight"), py::arg("threads") = 0);
}

} // namespace fastfuse::bindings
