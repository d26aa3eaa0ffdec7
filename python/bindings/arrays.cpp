#include "arrays.hpp"

#include <cstdint>
#include <cstring>
#include <string>

namespace fastfuse::bindings {
namespace {

Scalar scalar_of(const py::dtype& dtype) {
    switch (dtype.kind() + dtype.itemsize() * 256) {
    case 'b' + 256: return Scalar::boolean;
    case 'u' + 256: return Scalar::u8;
    case 'i' + 256: return Scalar::i8;
    case 'u' + 512: return Scalar::u16;
    case 'i' + 512: return Scalar::i16;
    case 'f' + 512: return Scalar::f16;
    case 'u' + 1024: return Scalar::u32;
    case 'i' + 1024: return Scalar::i32;
    case 'f' + 1024: return Scalar::f32;
    case 'u' + 2048: return Scalar::u64;
    case 'i' + 2048: return Scalar::i64;
    case 'f' + 2048: return Scalar::f64;
    default: throw py::type_error("an array of type " + std::string(py::str(dtype)));
    }
}

// What NumPy writes for bytes in the other order than the machine's; its own may be '=', or named, too.
char foreign_order() {
    const std::uint16_t one = 1;
    unsigned char first;
    std::memcpy(&first, &one, 1);
    return first == 1 ? '>' : '<';
}

} // namespace

Shape shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

View view_of(const py::array& array, const Shape& shape) {
    if (shape_of(array) != shape) throw py::value_error("arrays of different shapes");
    View view;
    view.data = static_cast<const std::byte*>(array.data());
    view.type = scalar_of(array.dtype());
    view.swapped = array.dtype().byteorder() == foreign_order();
    view.strides.assign(array.strides(), array.strides() + array.ndim());
    return view;
}

std::optional<View> view_of(const std::optional<py::array>& array, const Shape& shape) {
    if (!array) return std::nullopt;
    return view_of(*array, shape);
}

Output output_of(py::array& out) {
    if (out.dtype().kind() != 'f' || !(out.flags() & py::array::c_style) || out.dtype().itemsize() < 4)
        throw py::value_error("out must be a contiguous array of float32 or float64");
    return {static_cast<std::byte*>(out.mutable_data()), out.dtype().itemsize() == 8};
}

namespace {

// Python handles signals on its main thread alone; elsewhere nobody need ask, nor wait for the GIL.
bool on_main_thread() {
    const py::object main_thread = py::module_::import("threading").attr("main_thread")();
    return main_thread.attr("ident").cast<unsigned long>() == PyThread_get_thread_ident();
}

// Asked for on the calling thread while the GIL is released.
bool signal_arrived() {
    const py::gil_scoped_acquire gil;
    return PyErr_CheckSignals() != 0;
}

} // namespace

ShouldStop signals() { return on_main_thread() ? signal_arrived : ShouldStop(); }

} // namespace fastfuse::bindings
