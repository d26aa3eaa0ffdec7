// Arrays that may be the classes of one rater.
#include <pybind11/stl.h>

#include "arrays.hpp"
#include "bindings.hpp"
#include "fastfuse/array_view.hpp"

namespace fastfuse::bindings {
namespace {

// The channels of an array on one of its axes; `shape` loses that axis.
std::vector<View> channels_of(const View& array, Shape& shape, std::size_t axis) {
    const auto at = static_cast<std::ptrdiff_t>(axis);
    View channel = array;
    channel.strides.erase(channel.strides.begin() + at);
    std::vector<View> channels(static_cast<std::size_t>(shape[axis]), channel);
    for (std::size_t k = 0; k < channels.size(); ++k)
        channels[k].data += static_cast<std::ptrdiff_t>(k) * array.strides[axis];
    shape.erase(shape.begin() + at);
    return channels;
}

// Of arrays together, or, with an axis, of each by itself along it.
bool may_sum_to(const std::vector<py::array>& arrays, const std::optional<std::size_t>& axis, double total,
                double tolerance, std::int64_t few) {
    if (arrays.empty() || few < 1) throw py::value_error("there is nothing to sum");
    const Shape shape = shape_of(arrays[0]);
    if (axis && *axis >= shape.size()) throw py::value_error("the arrays have no such axis");
    std::vector<View> views;
    for (const py::array& array : arrays)
        views.push_back(view_of(array, shape));
    if (!axis) return fastfuse::may_sum_to(views, shape, {total, tolerance}, few);
    for (const View& view : views) {
        Shape left = shape;
        const std::vector<View> channels = channels_of(view, left, *axis);
        if (!fastfuse::may_sum_to(channels, left, {total, tolerance}, few)) return false;
    }
    return true;
}

} // namespace

void bind_channels(py::module_& m) {
    m.def("may_sum_to", &may_sum_to, py::arg("arrays"), py::arg("axis"), py::arg("total"),
          py::arg("tolerance"), py::arg("few"));
}

} // namespace fastfuse::bindings
