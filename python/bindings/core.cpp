// The door between Python and the algorithms: check, release the GIL, call, wrap.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <stdexcept>
#include <string>

#include "fastfuse/fuse.hpp"

namespace py = pybind11;

namespace {

fastfuse::Scalar scalar_of(const py::dtype& dtype) {
    using fastfuse::Scalar;
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

fastfuse::View view_of(const py::array& array, const std::vector<std::int64_t>& shape) {
    if (std::vector<std::int64_t>(array.shape(), array.shape() + array.ndim()) != shape)
        throw py::value_error("arrays of different shapes");
    fastfuse::View view;
    view.data = static_cast<const std::byte*>(array.data());
    view.type = scalar_of(array.dtype());
    view.swapped = !array.dtype().attr("isnative").cast<bool>();
    view.strides.assign(array.strides(), array.strides() + array.ndim());
    return view;
}

std::optional<fastfuse::View> view_of(const std::optional<py::array>& array,
                                      const std::vector<std::int64_t>& shape) {
    if (!array) return std::nullopt;
    return view_of(*array, shape);
}

fastfuse::Method method_of(const std::string& name) {
    if (name == "staple") return fastfuse::Method::staple;
    if (name == "soft-staple") return fastfuse::Method::soft_staple;
    if (name == "simplified-soft-staple") return fastfuse::Method::simplified_soft_staple;
    if (name == "majority") return fastfuse::Method::majority_vote;
    throw py::value_error("no method " + name);
}

const char* name_of(fastfuse::BadVotes::Kind kind) {
    using Kind = fastfuse::BadVotes::Kind;
    switch (kind) {
    case Kind::not_finite: return "not_finite";
    case Kind::out_of_range: return "out_of_range";
    case Kind::not_binary: return "not_binary";
    case Kind::mask: return "mask";
    case Kind::prior: return "prior";
    case Kind::empty_mask: return "empty_mask";
    default: return "too_many_fractional";
    }
}

py::dict wrap(const fastfuse::Result& result) {
    using namespace py::literals;
    return py::dict("sensitivity"_a = result.sensitivity, "specificity"_a = result.specificity,
                    "prior"_a = result.prior, "log_likelihood"_a = result.log_likelihood,
                    "iterations"_a = result.iterations, "converged"_a = result.converged,
                    "voxels"_a = result.voxels, "disputed"_a = result.disputed, "volume"_a = result.volume);
}

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

py::dict fuse(const std::vector<py::array>& raters, py::array out, const std::string& method,
              const std::optional<py::array>& mask, const std::optional<py::array>& prior_map,
              std::optional<double> prior, bool estimate_prior, bool em_m_step, std::optional<double> init,
              std::optional<double> select_label, double tol, int max_iter, int threads,
              std::int64_t pattern_capacity) {
    fastfuse::Votes votes;
    votes.shape.assign(out.shape(), out.shape() + out.ndim());
    for (const py::array& rater : raters)
        votes.raters.push_back(view_of(rater, votes.shape));
    votes.mask = view_of(mask, votes.shape);
    votes.prior = view_of(prior_map, votes.shape);
    votes.label = select_label;

    fastfuse::Options options;
    options.method = method_of(method);
    votes.check =
        options.method == fastfuse::Method::staple ? fastfuse::Check::binary : fastfuse::Check::unit;
    options.em = {em_m_step ? fastfuse::MStep::em : fastfuse::MStep::paper, estimate_prior, tol, max_iter};
    options.prior = prior;
    options.init = init;
    options.threads = threads;
    options.pattern_capacity = pattern_capacity;

    const bool wide = out.dtype().itemsize() == 8;
    if (out.dtype().kind() != 'f' || !(out.flags() & py::array::c_style) || out.dtype().itemsize() < 4)
        throw py::value_error("out must be a contiguous array of float32 or float64");
    const fastfuse::Consensus consensus{static_cast<std::byte*>(out.mutable_data()), wide};
    const fastfuse::ShouldStop ask = on_main_thread() ? signal_arrived : fastfuse::ShouldStop();
    fastfuse::Result result;
    try {
        const py::gil_scoped_release released;
        result = fastfuse::fuse(votes, options, consensus, ask);
    } catch (const fastfuse::Interrupted&) {
        throw py::error_already_set(); // what the signal's handler raised
    }
    return wrap(result);
}

} // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
    m.doc() = "The compiled core of fastfuse.";

    static py::exception<fastfuse::BadVotes> bad_votes(m, "BadVotes", PyExc_ValueError);
    py::register_local_exception_translator([](std::exception_ptr thrown) {
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const fastfuse::BadVotes& bad) {
            py::set_error(bad_votes, py::make_tuple(name_of(bad.kind), bad.rater, bad.voxel, bad.value));
        }
    });

    m.def("fuse", &fuse, py::arg("raters"), py::arg("out"), py::kw_only(), py::arg("method"),
          py::arg("mask") = py::none(), py::arg("prior_map") = py::none(), py::arg("prior") = py::none(),
          py::arg("estimate_prior") = false, py::arg("em_m_step") = false, py::arg("init") = py::none(),
          py::arg("select_label") = py::none(), py::arg("tol") = 1e-7, py::arg("max_iter") = 1000,
          py::arg("threads") = 0, py::arg("pattern_capacity") = -1);
}
