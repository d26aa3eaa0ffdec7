// What border-STAPLE knows of raters and levels, and the heights of an image.
#include "fastfuse/border.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "bindings.hpp"

namespace fastfuse::bindings {
namespace {

using namespace py::literals;
using Rates = std::vector<double>;
template <class T> using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

Border border_of(Rates offset, Rates sharpness, Rates false_marks, Rates lost, double scale,
                 const Rates& weights, double anchor, bool from_image) {
    const std::size_t raters = offset.size();
    if (sharpness.size() != raters || false_marks.size() != raters || lost.size() != raters)
        throw py::value_error("offset, sharpness, false_marks and lost need an entry for each rater");
    if (weights.size() != border_levels) throw py::value_error("weights need an entry for each level");
    Border border{std::move(offset), std::move(sharpness), std::move(false_marks), std::move(lost), scale};
    std::copy(weights.begin(), weights.end(), border.weights.begin());
    border.anchor = anchor;
    border.from_image = from_image;
    return border;
}

Heights heights_of(const Array<std::int64_t>& voxel, const Array<double>& height, bool evidence) {
    if (voxel.ndim() != 1 || height.ndim() != 1 || voxel.size() != height.size())
        throw py::value_error("heights need one entry for each voxel");
    Heights heights;
    heights.voxel.assign(voxel.data(), voxel.data() + voxel.size());
    heights.height.assign(height.data(), height.data() + height.size());
    heights.evidence = evidence;
    return heights;
}

} // namespace

void bind_border(py::module_& m) {
    py::class_<Border>(m, "Border", plain_type())
        .def(py::init(&border_of), py::kw_only(), "offset"_a, "sharpness"_a, "false_marks"_a, "lost"_a,
             "scale"_a, "weights"_a, "anchor"_a, "from_image"_a = false)
        .def_readonly("offset", &Border::offset)
        .def_readonly("sharpness", &Border::sharpness)
        .def_readonly("false_marks", &Border::false_marks)
        .def_readonly("lost", &Border::lost)
        .def_readonly("scale", &Border::scale)
        .def_readonly("weights", &Border::weights)
        .def_readonly("anchor", &Border::anchor)
        .def_readonly("from_image", &Border::from_image);
    py::class_<Heights>(m, "Heights", plain_type())
        .def(py::init(&heights_of), "voxel"_a, "height"_a, py::kw_only(), "evidence"_a = false);
}

} // namespace fastfuse::bindings
