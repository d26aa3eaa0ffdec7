// The door between Python and the algorithms: check, release the GIL, call, wrap.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <optional>
#include <utility>

#include "bindings.hpp"
#include "fastfuse/errors.hpp"
#include "fastfuse/simd.hpp"
#include "fastfuse/threads.hpp"

namespace py = pybind11;

namespace {

const char* name_of(fastfuse::BadInput::Kind kind) {
    using Kind = fastfuse::BadInput::Kind;
    switch (kind) {
    case Kind::not_finite: return "not_finite";
    case Kind::out_of_range: return "out_of_range";
    case Kind::not_binary: return "not_binary";
    case Kind::not_label: return "not_label";
    case Kind::mask: return "mask";
    case Kind::present: return "present";
    case Kind::prior: return "prior";
    case Kind::empty_mask: return "empty_mask";
    case Kind::too_many_fractional: return "too_many_fractional";
    case Kind::unknown_label: return "unknown_label";
    case Kind::too_many_labels: return "too_many_labels";
    case Kind::not_probabilities: return "not_probabilities";
    case Kind::prior_sum: return "prior_sum";
    case Kind::too_few_for_classes: return "too_few_for_classes";
    case Kind::too_few_raters: return "too_few_raters";
    default: return "image_not_finite";
    }
}

// Threads wanted, and threads given.
std::optional<std::pair<int, int>> take_thread_shortage() {
    const auto found = fastfuse::take_shortage();
    if (!found) return std::nullopt;
    return std::pair(found->wanted, found->got);
}

} // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
    m.doc() = "The compiled core of fastfuse.";

    static py::exception<fastfuse::BadInput> bad_input(m, "BadInput", PyExc_ValueError);
    py::register_local_exception_translator([](std::exception_ptr thrown) {
        try {
            if (thrown) std::rethrow_exception(thrown);
        } catch (const fastfuse::BadInput& bad) {
            py::set_error(bad_input, py::make_tuple(name_of(bad.kind), bad.rater, bad.voxel, bad.value));
        }
    });

    m.def("instruction_set", &fastfuse::instruction_set);
    m.attr("threads_by") = fastfuse::threads_by();
    m.def("take_thread_shortage", &take_thread_shortage);
    fastfuse::bindings::bind_options(m);
    fastfuse::bindings::bind_vote_table(m);
    fastfuse::bindings::bind_results(m);
    fastfuse::bindings::bind_channels(m);
    fastfuse::bindings::bind_cuda(m);
    fastfuse::bindings::bind_dilation(m);
    fastfuse::bindings::bind_fuse(m);
    fastfuse::bindings::bind_labels(m);
    fastfuse::bindings::bind_soft_labels(m);
    fastfuse::bindings::bind_cuts(m);
    fastfuse::bindings::bind_smoothing(m);
}
