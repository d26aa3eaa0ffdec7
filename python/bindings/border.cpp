// What is known of levels and classes, and the heights of an image, as plain data.
#include "border.hpp"

#include <pybind11/stl.h>

#include <algorithm>
#include <vector>

namespace fastfuse::bindings {

using namespace py::literals;
using Rates = std::vector<double>;

namespace {

Border border_from(const py::dict& parts) {
    const auto rates = [&](const char* name) { return parts[name].cast<Rates>(); };
    Border border;
    border.offset = rates("offset");
    border.sharpness = rates("sharpness");
    border.false_marks = rates("false_marks");
    border.lost = rates("lost");
    const std::size_t raters = border.offset.size();
    if (border.sharpness.size() != raters || border.false_marks.size() != raters ||
        border.lost.size() != raters)
        throw py::value_error("offset, sharpness, false_marks and lost need an entry for each rater");
    border.heard = parts["heard"].cast<std::vector<bool>>();
    if (border.heard.size() != raters) throw py::value_error("heard needs an entry for each rater");
    const Rates weights = rates("weights");
    if (weights.size() != border_levels) throw py::value_error("weights need an entry for each level");
    std::copy(weights.begin(), weights.end(), border.weights.begin());
    border.scale = parts["scale"].cast<double>();
    border.anchor = parts["anchor"].cast<double>();
    border.from_image = parts["from_image"].cast<bool>();
    return border;
}

py::dict parts_of(const Border& border) {
    return py::dict("offset"_a = border.offset, "sharpness"_a = border.sharpness,
                    "false_marks"_a = border.false_marks, "lost"_a = border.lost, "heard"_a = border.heard,
                    "weights"_a = border.weights, "scale"_a = border.scale, "anchor"_a = border.anchor,
                    "from_image"_a = border.from_image);
}

Classes classes_from(const py::dict& parts) {
    Classes classes;
    classes.marks = parts["marks"].cast<decltype(classes.marks)>();
    classes.no_marks = parts["no_marks"].cast<decltype(classes.no_marks)>();
    classes.shares = parts["shares"].cast<decltype(classes.shares)>();
    if (classes.marks.size() != classes.no_marks.size())
        throw py::value_error("marks and no_marks need an entry for each rater");
    return classes;
}

} // namespace

std::optional<py::dict> latent_of(const Estimate& estimate) {
    if (estimate.border) return parts_of(*estimate.border);
    if (!estimate.classes) return std::nullopt;
    const Classes& classes = *estimate.classes;
    return py::dict("marks"_a = classes.marks, "no_marks"_a = classes.no_marks, "shares"_a = classes.shares);
}

void take_latent(const std::optional<py::dict>& parts, Estimate& estimate) {
    if (!parts) return;
    if (parts->contains("marks"))
        estimate.classes = classes_from(*parts);
    else
        estimate.border = border_from(*parts);
    const std::size_t raters =
        estimate.border ? estimate.border->offset.size() : estimate.classes->marks.size();
    if (raters != estimate.performance.sensitivity.size())
        throw py::value_error("latent needs an entry for each rater");
}

Heights heights_from(const GivenHeights& given) {
    if (!given) return {};
    const auto& [voxel, height, evidence] = *given;
    if (voxel.ndim() != 1 || height.ndim() != 1 || voxel.size() != height.size())
        throw py::value_error("heights need one entry for each voxel");
    Heights heights;
    heights.voxel.assign(voxel.data(), voxel.data() + voxel.size());
    heights.height.assign(height.data(), height.data() + height.size());
    heights.evidence = evidence;
    return heights;
}

} // namespace fastfuse::bindings
