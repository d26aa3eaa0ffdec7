// What the module is made of.
#pragma once

#include <pybind11/pybind11.h>

namespace fastfuse::bindings {

namespace py = pybind11;

// Classes of Python's own kind, not of pybind11's: what a stub can describe.
inline py::metaclass plain_type() { return py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)); }

void bind_channels(py::module_& m);
void bind_cuda(py::module_& m);
void bind_dilation(py::module_& m);
void bind_fuse(py::module_& m);
void bind_labels(py::module_& m);
void bind_soft_labels(py::module_& m);
void bind_options(py::module_& m);
void bind_results(py::module_& m);
void bind_cuts(py::module_& m);
void bind_smoothing(py::module_& m);
void bind_vote_table(py::module_& m);

} // namespace fastfuse::bindings
