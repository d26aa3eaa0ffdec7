#include "bindings.hpp"

#include <pybind11/stl.h>

#include <string>

#include "arrays.hpp"
#include "fastfuse/fuse.hpp"

namespace fastfuse::bindings {
namespace {

Method method_of(const std::string& name) {
    return named<Method>("method", name,
                         {{"staple", Method::staple},
                          {"soft-staple", Method::soft_staple},
                          {"simplified-soft-staple", Method::simplified_soft_staple},
                          {"majority", Method::majority_vote}});
}

Route route_of(const std::string& name) {
    return named<Route>("route", name,
                        {{"auto", Route::automatic},
                         {"patterns", Route::patterns},
                         {"lanes", Route::lanes},
                         {"rows", Route::rows}});
}

py::dict wrap(const Result& result) {
    using namespace py::literals;
    return py::dict("sensitivity"_a = result.sensitivity, "specificity"_a = result.specificity,
                    "prior"_a = result.prior, "log_likelihood"_a = result.log_likelihood,
                    "iterations"_a = result.iterations, "converged"_a = result.converged,
                    "voxels"_a = result.voxels, "disputed"_a = result.disputed, "volume"_a = result.volume,
                    "lowest"_a = result.lowest, "highest"_a = result.highest);
}

py::dict fuse(const std::vector<py::array>& raters, py::array out, const std::string& method,
              const std::optional<py::array>& mask, const std::optional<py::array>& prior_map,
              std::optional<double> prior, bool estimate_prior, bool em_m_step, std::optional<double> init,
              std::optional<double> select_label, double tol, int max_iter, bool accelerate, int threads,
              const std::string& route) {
    Votes votes;
    votes.shape = shape_of(out);
    for (const py::array& rater : raters)
        votes.raters.push_back(view_of(rater, votes.shape));
    votes.mask = view_of(mask, votes.shape);
    votes.prior = view_of(prior_map, votes.shape);
    votes.label = select_label;

    Options options;
    options.method = method_of(method);
    votes.check = options.method == Method::staple ? Check::binary : Check::unit;
    options.em = {em_m_step ? MStep::em : MStep::paper, estimate_prior, tol, max_iter, accelerate};
    options.prior = prior;
    options.init = init;
    options.threads = threads;
    options.route = route_of(route);

    const Output consensus = output_of(out);
    const ShouldStop ask = signals();
    return wrap(without_gil([&] { return fastfuse::fuse(votes, options, consensus, ask); }));
}

} // namespace

void bind_fuse(py::module_& m) {
    m.def("fuse", &fuse, py::arg("raters"), py::arg("out"), py::kw_only(), py::arg("method"),
          py::arg("mask") = py::none(), py::arg("prior_map") = py::none(), py::arg("prior") = py::none(),
          py::arg("estimate_prior") = false, py::arg("em_m_step") = false, py::arg("init") = py::none(),
          py::arg("select_label") = py::none(), py::arg("tol") = 1e-7, py::arg("max_iter") = 1000,
          py::arg("accelerate") = false, py::arg("threads") = 0, py::arg("route") = "auto");
}

} // namespace fastfuse::bindings
