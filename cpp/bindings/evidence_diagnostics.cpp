/// fastnotes.evidence: the jackknife, and Pareto smoothed importance sampling.
#include "bindings/evidence_extents.hpp"
#include "bindings/rooms.hpp"

#include "common/aligned.hpp"
#include "evidence/jackknife.hpp"
#include "evidence/psis.hpp"

namespace fastnotes {
namespace {

void jackknife(const py::array& log_w, index_t axis, const py::array& shares,
               const py::array& bound, const py::object& gradient, const py::array& ess,
               int n_threads) {
    const char* const where = "evidence.jackknife_bound";
    check_threads(n_threads, where);
    const Extents extents(log_w.shape(), log_w.ndim(), axis, axis + 1, where);
    const auto shares_view = as_view<const double, 1>(shares, where, "shares");
    const index_t order = shares_view.size - 1;
    if (order < 1 || order > evidence::max_jackknife_order || order >= extents.count) {
        fail(where, "order from 1 to 5, below the number of samples",
             std::to_string(order));
    }
    dispatch_real(log_w, where, "log_w", [&](auto zero) {
        using T = decltype(zero);
        const auto log_w_view = as_block(as_flat_view<const T>(log_w, where, "log_w"),
                                         extents, where, "log_w");
        const auto bound_view =
            as_result(as_flat_view<T>(bound, where, "bound"), extents, where, "bound");
        View3<T> gradient_view;
        if (!gradient.is_none()) {
            gradient_view = as_block(as_flat_view<T>(gradient, where, "gradient"),
                                     extents, where, "gradient");
        }
        const auto ess_view =
            as_result(as_flat_view<double>(ess, where, "ess"), extents, where, "ess");
        const index_t size = evidence::jackknife_scratch(extents.outer, extents.count,
                                                         extents.inner, n_threads);
        const AlignedBuffer<double> scratch(size);
        const py::gil_scoped_release nogil;
        evidence::jackknife<T>(log_w_view, shares_view, bound_view, gradient_view,
                               ess_view, {scratch.data(), size}, n_threads);
    });
}

void psis(const py::array& log_w, index_t axis, const py::array& log_weights,
          const py::array& pareto_k, const py::array& ess, index_t tail,
          int n_threads) {
    const char* const where = "evidence.psis";
    check_threads(n_threads, where);
    const Extents extents(log_w.shape(), log_w.ndim(), axis, axis + 1, where);
    if (tail < 0 || tail >= extents.count) {
        fail(where, "a tail of 0 or more samples, below their number",
             std::to_string(tail));
    }
    dispatch_real(log_w, where, "log_w", [&](auto zero) {
        using T = decltype(zero);
        const auto log_w_view = as_block(as_flat_view<const T>(log_w, where, "log_w"),
                                         extents, where, "log_w");
        const auto weights_view =
            as_block(as_flat_view<T>(log_weights, where, "log_weights"), extents, where,
                     "log_weights");
        const auto k_view = as_result(as_flat_view<T>(pareto_k, where, "pareto_k"),
                                      extents, where, "pareto_k");
        const auto ess_view =
            as_result(as_flat_view<T>(ess, where, "ess"), extents, where, "ess");
        const index_t size = evidence::psis_scratch(extents.outer, extents.count,
                                                    extents.inner, tail, n_threads);
        const AlignedBuffer<unsigned char> scratch(size);
        const py::gil_scoped_release nogil;
        evidence::psis<T>(log_w_view, weights_view, k_view, ess_view, tail,
                          {scratch.data(), size}, n_threads);
    });
}

} // namespace

void register_evidence_diagnostics(py::module_& evidence) {
    using namespace pybind11::literals;
    evidence.def("jackknife", &jackknife, "log_w"_a, "axis"_a, "shares"_a, "bound"_a,
                 "gradient"_a, "ess"_a, "n_threads"_a);
    evidence.def("psis", &psis, "log_w"_a, "axis"_a, "log_weights"_a, "pareto_k"_a,
                 "ess"_a, "tail"_a, "n_threads"_a);
}

} // namespace fastnotes
