// Options and results of a fusion, as Python gives and takes them.
#pragma once

#include <pybind11/pybind11.h>

#include "fastfuse/fusion.hpp"

namespace fastfuse::bindings {

namespace py = pybind11;

// The options that come in a dictionary, as every function that fuses takes them.
Options options_of(const py::dict& given);
// What votes may be.
Check check_of(const py::dict& given);
py::dict wrap(const Result& result);

} // namespace fastfuse::bindings
