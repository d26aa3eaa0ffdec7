// What is known of levels and classes, and the heights of an image, as plain data.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <optional>
#include <tuple>

#include "fastfuse/fusion.hpp"

namespace fastfuse::bindings {

namespace py = pybind11;

template <class T> using Given = py::array_t<T, py::array::c_style | py::array::forcecast>;
// Voxels, the height of each, and whether they are evidence.
using GivenHeights = std::optional<std::tuple<Given<std::int64_t>, Given<double>, bool>>;

// Levels or classes, by the names of the fields.
std::optional<py::dict> latent_of(const Estimate& estimate);
void take_latent(const std::optional<py::dict>& parts, Estimate& estimate);

Heights heights_from(const GivenHeights& given);

} // namespace fastfuse::bindings
