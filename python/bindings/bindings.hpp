// What the module is made of.
#pragma once

#include <pybind11/pybind11.h>

namespace fastfuse::bindings {

namespace py = pybind11;

void bind_cuda(py::module_& m);
void bind_dilation(py::module_& m);
void bind_fuse(py::module_& m);

} // namespace fastfuse::bindings
