// Python's arrays and signals, as the algorithms see them.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fastfuse/array_view.hpp"
#include "fastfuse/output.hpp"
#include "fastfuse/threads.hpp"

namespace fastfuse::bindings {

namespace py = pybind11;
using Shape = std::vector<std::int64_t>;

Shape shape_of(const py::array& array);

// An array of the shape, looked at in place. Throws ValueError for another shape, TypeError for elements that
// are not numbers.
View view_of(const py::array& array, const Shape& shape);
std::optional<View> view_of(const std::optional<py::array>& array, const Shape& shape);

// A contiguous array of float32 or float64, to be written.
Output output_of(py::array& out);

// The value of this name; `what` is what messages call it. Throws ValueError for a name that is not there.
template <class Value>
Value named(const char* what, const std::string& name,
            std::initializer_list<std::pair<const char*, Value>> values) {
    for (const auto& [known, value] : values)
        if (name == known) return value;
    throw py::value_error(std::string("no ") + what + " " + name);
}

// How to ask for Python's signals, on the calling thread while the GIL is released.
ShouldStop signals();

// What `work` answers, done without the GIL. Raises what a signal's handler raised meanwhile.
template <class Work> auto without_gil(const Work& work) {
    try {
        const py::gil_scoped_release released;
        return work();
    } catch (const Interrupted&) {
        throw py::error_already_set();
    }
}

} // namespace fastfuse::bindings
