// What the bindings of hard and of soft votes of labels check.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <vector>

#include "fastfuse/labels.hpp"

namespace fastfuse::bindings {

namespace py = pybind11;

inline void check_options(const LabelOptions& options, std::size_t raters, std::size_t labels) {
    if (!options.weights.empty() && options.weights.size() != raters)
        throw py::value_error("weights needs an entry for each rater");
    if (!options.prior.empty() && options.prior.size() != labels)
        throw py::value_error("prior needs an entry for each label");
    if (!options.unknown.empty() && options.unknown.size() != raters)
        throw py::value_error("unknown needs an entry for each rater");
    for (const std::vector<Code>& codes : options.unknown)
        for (const Code code : codes)
            if (code >= labels) throw py::value_error("unknown holds a code that is none");
}

inline LabelOutput integers_of(py::array& out) {
    const char kind = out.dtype().kind();
    if ((kind != 'u' && kind != 'i') || !(out.flags() & py::array::c_style))
        throw py::value_error("out must be a contiguous array of integers");
    return {static_cast<std::byte*>(out.mutable_data()), static_cast<int>(out.dtype().itemsize())};
}

} // namespace fastfuse::bindings
