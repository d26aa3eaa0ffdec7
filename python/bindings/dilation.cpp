#include <pybind11/stl.h>

#include <string>

#include "arrays.hpp"
#include "bindings.hpp"
#include "fastfuse/dilation.hpp"

namespace fastfuse::bindings {
namespace {

Cut cut_of(const std::string& name) {
    return named<Cut>("cut", name,
                      {{"adaptive", Cut::adaptive}, {"exact", Cut::exact}, {"fixed", Cut::fixed}});
}

std::optional<std::pair<double, double>> find_scaling(const py::array& image,
                                                      const std::optional<py::array>& roi, int threads) {
    const Shape shape = shape_of(image);
    const View view = view_of(image, shape);
    const std::optional<View> region = view_of(roi, shape);
    const Team team(threads, signals());
    const auto scaling = without_gil([&] { return fastfuse::find_scaling(view, region, shape, team); });
    if (!scaling) return std::nullopt;
    return std::pair(scaling->low, scaling->high);
}

py::dict dilate(const py::array& mask, const py::array& image, py::array out,
                const std::array<std::int64_t, 3>& rank_step, const std::optional<py::array>& roi,
                double size, double label, int iterations, const std::optional<double>& radius_mm,
                const std::array<double, 3>& spacing_mm, const std::string& cut, double intensity,
                const std::optional<std::pair<double, double>>& scaling, bool per_lesion, bool connected,
                bool binarize, int threads) {
    const Shape shape = shape_of(out);
    if (shape.size() != 3) throw py::value_error("a volume has three axes");
    const Grid grid{{shape[0], shape[1], shape[2]}, rank_step};
    DilationOptions options;
    options.size = size;
    options.label = label;
    options.iterations = iterations;
    if (radius_mm) options.ball = Ball{*radius_mm, spacing_mm};
    options.cut = cut_of(cut);
    options.intensity = intensity;
    if (scaling) options.scaling = Scaling{scaling->first, scaling->second};
    options.per_lesion = per_lesion;
    options.connected = connected;
    options.binarize = binarize;

    const View mask_view = view_of(mask, shape), image_view = view_of(image, shape);
    const std::optional<View> region = view_of(roi, shape);
    const Output values = output_of(out);
    const Team team(threads, signals());
    const Dilation dilation = without_gil(
        [&] { return fastfuse::dilate(mask_view, image_view, region, grid, options, values, team); });
    using namespace py::literals;
    return py::dict("cut"_a = dilation.cut, "mask_voxels"_a = dilation.mask_voxels,
                    "ring_voxels"_a = dilation.ring_voxels);
}

py::array_t<bool> near(const py::array& mask, double radius_mm, const std::vector<double>& spacing_mm,
                       int threads) {
    const Shape shape = shape_of(mask);
    if (shape.empty() || shape.size() > 3) throw py::value_error("a ball has one to three axes");
    if (spacing_mm.size() != shape.size()) throw py::value_error("spacing_mm has one number for each axis");
    const View view = view_of(mask, shape);
    py::array_t<bool> found(shape);
    bool* data = found.mutable_data();
    const Team team(threads, signals());
    without_gil([&] { find_near(view, shape, radius_mm, spacing_mm, data, team); });
    return found;
}

} // namespace

void bind_dilation(py::module_& m) {
    m.def("find_scaling", &find_scaling, py::arg("image"), py::kw_only(), py::arg("roi") = py::none(),
          py::arg("threads") = 0);
    m.def("dilate", &dilate, py::arg("mask"), py::arg("image"), py::arg("out"), py::kw_only(),
          py::arg("rank_step"), py::arg("roi") = py::none(), py::arg("size") = 1.2, py::arg("label") = 0.3,
          py::arg("iterations") = 6, py::arg("radius_mm") = py::none(),
          py::arg("spacing_mm") = std::array<double, 3>{1, 1, 1}, py::arg("cut") = "adaptive",
          py::arg("intensity") = 0.0, py::arg("scaling") = py::none(), py::arg("per_lesion") = false,
          py::arg("connected") = false, py::arg("binarize") = false, py::arg("threads") = 0);
    m.def("near", &near, py::arg("mask"), py::kw_only(), py::arg("radius_mm"), py::arg("spacing_mm"),
          py::arg("threads") = 0);
}

} // namespace fastfuse::bindings
