// Votes on a device: tensors of other libraries in place, NumPy's arrays as copies.
#include "fastfuse/cuda.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arrays.hpp"
#include "bindings.hpp"
#include "dlpack.hpp"
#include "fastfuse/fusion.hpp"

namespace fastfuse::bindings {
namespace {

using namespace pybind11::literals;

// A tensor that its library has lent.
class Lent {
  public:
    explicit Lent(py::capsule capsule) : managed_(tensor_in(capsule)) {
        capsule.set_name("used_dltensor"); // it is ours to give back now
    }
    ~Lent() {
        if (managed_->deleter) managed_->deleter(managed_);
    }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    const DLTensor& tensor() const { return managed_->dl_tensor; }

  private:
    static DLManagedTensor* tensor_in(const py::capsule& capsule) {
        auto* managed = PyCapsule_GetPointer(capsule.ptr(), "dltensor"); // a later version has another name
        if (!managed) throw py::error_already_set();
        return static_cast<DLManagedTensor*>(managed);
    }

    DLManagedTensor* managed_;
};

Scalar scalar_of(const DLDataType& type, const std::string& name) {
    if (type.lanes == 1) switch (type.code * 256 + type.bits) {
        case dl_bool * 256 + 8: return Scalar::boolean;
        case dl_uint * 256 + 8: return Scalar::u8;
        case dl_int * 256 + 8: return Scalar::i8;
        case dl_uint * 256 + 16: return Scalar::u16;
        case dl_int * 256 + 16: return Scalar::i16;
        case dl_uint * 256 + 32: return Scalar::u32;
        case dl_int * 256 + 32: return Scalar::i32;
        case dl_uint * 256 + 64: return Scalar::u64;
        case dl_int * 256 + 64: return Scalar::i64;
        case dl_float * 256 + 16: return Scalar::f16;
        case dl_float * 256 + 32: return Scalar::f32;
        case dl_float * 256 + 64: return Scalar::f64;
        default: break;
        }
    throw py::type_error(
        name + " holds elements that are no booleans, integers or float16/32/64 (bfloat16 is none of them)");
}

bool contiguous(const DLTensor& tensor) {
    if (!tensor.strides) return true;
    std::int64_t stride = 1;
    for (int axis = tensor.ndim; axis-- > 0; stride *= tensor.shape[axis])
        if (tensor.shape[axis] > 1 && tensor.strides[axis] != stride) return false;
    return true;
}

// What is on the device for one call.
struct Held {
    const DLTensor& take(const py::object& capsule) {
        lent.push_back(std::make_unique<Lent>(capsule.cast<py::capsule>()));
        return lent.back()->tensor();
    }
    std::vector<std::unique_ptr<Lent>> lent;
    std::vector<std::unique_ptr<cuda::Memory>> copies;
};

std::byte* data_of(const DLTensor& tensor) {
    return static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
}

// `name`: what messages call it.
View view_on_device(const py::object& given, const std::string& name, const Shape& shape, const Place& place,
                    Held& held) {
    View view;
    if (py::isinstance<py::capsule>(given)) {
        const DLTensor& tensor = held.take(given);
        if (Shape(tensor.shape, tensor.shape + tensor.ndim) != shape)
            throw py::value_error("tensors of different shapes");
        if (!contiguous(tensor))
            throw py::value_error(name +
                                  " is not contiguous on the device: make it so first (.contiguous())");
        view.data = data_of(tensor);
        view.type = scalar_of(tensor.dtype, name);
        return view;
    }
    const py::array array = given.cast<py::array>(); // in C order and native bytes
    const View from = view_of(array, shape);
    const auto bytes = static_cast<std::size_t>(array.nbytes());
    without_gil([&] { // CUDA may wait for work of others, who may wait for Python's lock
        held.copies.push_back(std::make_unique<cuda::Memory>(place.device, bytes));
        cuda::copy_to_device(place, from.data, bytes, held.copies.back()->data());
    });
    view.data = held.copies.back()->data();
    view.type = from.type;
    return view;
}

// A consensus on the device, for other libraries to take over.
class DeviceArray {
  public:
    DeviceArray(const Place& place, Shape shape, bool wide)
        : place_(place), shape_(std::move(shape)), wide_(wide),
          memory_(std::make_shared<cuda::Memory>(place.device, static_cast<std::size_t>(bytes()), true)) {}

    Output output() const { return {memory_->data(), wide_}; }
    std::pair<int, int> dlpack_device() const { return {device_type(), place_.device}; }

    py::capsule dlpack() const {
        auto owner = std::make_unique<Owner>(Owner{memory_, shape_, strides(), {}});
        owner->managed.dl_tensor = {memory_->data(),
                                    {device_type(), place_.device},
                                    static_cast<std::int32_t>(shape_.size()),
                                    {dl_float, static_cast<std::uint8_t>(wide_ ? 64 : 32), 1},
                                    owner->shape.data(),
                                    owner->strides.data(),
                                    0};
        owner->managed.manager_ctx = owner.get();
        owner->managed.deleter = [](DLManagedTensor* self) { delete static_cast<Owner*>(self->manager_ctx); };
        return py::capsule(&owner.release()->managed, "dltensor", [](PyObject* capsule) {
            if (!PyCapsule_IsValid(capsule, "dltensor")) return; // somebody has taken it
            auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
            managed->deleter(managed);
        });
    }

    void copy_to(py::array& out) const {
        void* to = out.mutable_data();
        without_gil(
            [&] { cuda::copy_to_host(place_, memory_->data(), static_cast<std::size_t>(bytes()), to); });
    }

  private:
    struct Owner {
        std::shared_ptr<cuda::Memory> memory;
        Shape shape, strides;
        DLManagedTensor managed;
    };

    // Takers may rely on them since DLPack 1.2.
    Shape strides() const {
        Shape strides(shape_.size(), 1);
        for (std::size_t axis = shape_.size(); axis-- > 1;)
            strides[axis - 1] = strides[axis] * shape_[axis];
        return strides;
    }

    std::int64_t bytes() const {
        std::int64_t size = wide_ ? 8 : 4;
        for (const std::int64_t extent : shape_)
            size *= extent;
        return size;
    }

    static std::int32_t device_type() {
#ifdef FASTFUSE_CUDA_ON_CPU
        return dl_cpu;
#else
        return dl_cuda;
#endif
    }

    Place place_;
    Shape shape_;
    bool wide_;
    std::shared_ptr<cuda::Memory> memory_;
};

// `raters`, `mask`: capsules of DLPack's, or arrays. Writes into `out`, a capsule or an array of the shape,
// or answers what stays on the device.
py::tuple fuse_on_device(const std::vector<py::object>& raters, const Shape& shape, bool wide,
                         const py::object& out, const py::object& mask, int device, std::uintptr_t stream,
                         const Options& options) {
    Held held;
    Votes votes;
    votes.place = Place{device, stream};
    votes.shape = shape;
    for (const py::object& rater : raters)
        votes.raters.push_back(
            view_on_device(rater, "rater " + std::to_string(votes.raters.size()), shape, *votes.place, held));
    if (!mask.is_none()) votes.mask = view_on_device(mask, "mask", shape, *votes.place, held);
    const ShouldStop ask = signals();
    const auto fuse_into = [&](const Output& to) {
        return without_gil([&] {
            Result result = fastfuse::fuse(votes, options, to, ask);
            held.copies.clear();
            return result;
        });
    };
    if (py::isinstance<py::capsule>(out)) {
        const Result result = fuse_into({data_of(held.take(out)), wide});
        return py::make_tuple(result, py::none());
    }
    DeviceArray consensus(*votes.place, shape, wide);
    const Result result = fuse_into(consensus.output());
    if (out.is_none()) return py::make_tuple(result, std::move(consensus));
    auto array = out.cast<py::array>();
    consensus.copy_to(array);
    return py::make_tuple(result, py::none());
}

} // namespace

void bind_cuda(py::module_& m) {
    py::register_local_exception<cuda::Unavailable>(m, "Unavailable", PyExc_RuntimeError);
    const auto device_error =
        py::register_local_exception<cuda::DeviceError>(m, "DeviceError", PyExc_RuntimeError);
    py::register_local_exception<cuda::OutOfMemory>(m, "OutOfMemory", device_error.ptr());
    m.attr("most_device_raters") = cuda::most_raters;
    m.def("why_no_cuda", &cuda::why_not);
    py::class_<DeviceArray>(m, "_DeviceArray")
        .def("__dlpack_device__", &DeviceArray::dlpack_device)
        // The stream does not matter, as nothing is on its way; a version is what the taker would like at
        // most.
        .def(
            "__dlpack__",
            [](const DeviceArray& self, const py::object&, const py::object&, const py::object& dl_device,
               const py::object& copy) {
                const bool elsewhere =
                    !dl_device.is_none() && !dl_device.equal(py::cast(self.dlpack_device()));
                if (elsewhere || (!copy.is_none() && copy.cast<bool>()))
                    throw py::buffer_error("it is lent where it lies, without a copy");
                return self.dlpack();
            },
            py::kw_only(), "stream"_a = py::none(), "max_version"_a = py::none(), "dl_device"_a = py::none(),
            "copy"_a = py::none());
    m.def("fuse_on_device", &fuse_on_device, "raters"_a, "shape"_a, "wide"_a, "out"_a, py::kw_only(),
          "mask"_a, "device"_a, "stream"_a, "options"_a);
}

} // namespace fastfuse::bindings
