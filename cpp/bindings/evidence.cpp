/// fastnotes.evidence: any shape, one run of neighbouring axes reduced as one.
#include "bindings/evidence_extents.hpp"
#include "bindings/rooms.hpp"

#include "common/aligned.hpp"
#include "evidence/importance_weights.hpp"
#include "evidence/log_sum_exp.hpp"
#include "evidence/softmax.hpp"

namespace fastnotes {
namespace {

/// Owns the scratch of one call.
template <class T> struct Workspace {
    AlignedBuffer<unsigned char> scratch;
    evidence::Work work;

    Workspace(const Extents& e, int n_threads)
        : scratch(evidence::scratch_size<T>(e.outer, e.count, e.inner, e.last_axis,
                                            n_threads)),
          work{e.last_axis, n_threads, {scratch.data(), scratch.size()}} {}
};

void logsumexp(const py::array& a, const py::object& factors, index_t first,
               index_t last, const py::array& out, bool mean, int n_threads) {
    const char* const where = "evidence.logsumexp";
    check_threads(n_threads, where);
    const Extents extents(a.shape(), a.ndim(), first, last, where);
    dispatch_real(a, where, "a", [&](auto zero) {
        using T = decltype(zero);
        const auto a_view =
            as_block(as_flat_view<const T>(a, where, "a"), extents, where, "a");
        View3<const T> factors_view;
        if (!factors.is_none()) {
            factors_view = as_block(as_flat_view<const T>(factors, where, "factors"),
                                    extents, where, "factors");
        }
        const auto out_view =
            as_result(as_flat_view<T>(out, where, "out"), extents, where, "out");
        const Workspace<T> workspace(extents, n_threads);
        const py::gil_scoped_release nogil;
        evidence::log_sum_exp<T>(a_view, factors_view, out_view, mean, workspace.work);
    });
}

void softmax(const py::array& a, index_t axis, const py::array& out, bool log,
             int n_threads) {
    const char* const where = "evidence.softmax";
    check_threads(n_threads, where);
    const Extents extents(a.shape(), a.ndim(), axis, axis + 1, where);
    dispatch_real(a, where, "a", [&](auto zero) {
        using T = decltype(zero);
        const auto a_view =
            as_block(as_flat_view<const T>(a, where, "a"), extents, where, "a");
        const auto out_view =
            as_block(as_flat_view<T>(out, where, "out"), extents, where, "out");
        const Workspace<T> workspace(extents, n_threads);
        const py::gil_scoped_release nogil;
        evidence::softmax<T>(a_view, out_view, log, workspace.work);
    });
}

void importance_weights(const py::array& log_w, index_t axis, const py::array& bound,
                        const py::array& weights, const py::array& ess, int n_threads) {
    const char* const where = "evidence.importance_weights";
    check_threads(n_threads, where);
    const Extents extents(log_w.shape(), log_w.ndim(), axis, axis + 1, where);
    dispatch_real(log_w, where, "log_w", [&](auto zero) {
        using T = decltype(zero);
        const auto log_w_view = as_block(as_flat_view<const T>(log_w, where, "log_w"),
                                         extents, where, "log_w");
        const auto bound_view =
            as_result(as_flat_view<T>(bound, where, "bound"), extents, where, "bound");
        const auto weights_view = as_block(as_flat_view<T>(weights, where, "weights"),
                                           extents, where, "weights");
        const auto ess_view =
            as_result(as_flat_view<T>(ess, where, "ess"), extents, where, "ess");
        const Workspace<T> workspace(extents, n_threads);
        const py::gil_scoped_release nogil;
        evidence::importance_weights<T>(log_w_view, bound_view, weights_view, ess_view,
                                        workspace.work);
    });
}

} // namespace

void register_evidence(py::module_& m) {
    using namespace pybind11::literals;
    auto room = m.def_submodule("evidence", "Log-sum-exp and importance weights.");
    room.def("logsumexp", &logsumexp, "a"_a, "factors"_a, "first"_a, "last"_a, "out"_a,
             "mean"_a, "n_threads"_a);
    room.def("softmax", &softmax, "a"_a, "axis"_a, "out"_a, "log"_a, "n_threads"_a);
    room.def("importance_weights", &importance_weights, "log_w"_a, "axis"_a, "bound"_a,
             "weights"_a, "ess"_a, "n_threads"_a);
    register_evidence_diagnostics(room);
}

} // namespace fastnotes
