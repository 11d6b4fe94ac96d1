/// fastnotes.evidence on CUDA: any shape, one run of neighbouring axes reduced as one.
#include "bindings/evidence_extents.hpp"
#include "bindings_cuda/arrays.hpp"
#include "bindings_cuda/rooms.hpp"

#include <pybind11/stl.h>

#include "evidence/importance_weights.hpp"
#include "evidence/log_sum_exp.hpp"
#include "evidence/softmax.hpp"

#include <optional>

namespace fastnotes::cuda {
namespace {

/// Owns the scratch of one call.
template <class T> struct Workspace {
    index_t bytes;
    Scratch scratch;
    evidence::cuda::Work work;

    Workspace(const Extents& e, Stream stream, const char* where)
        : bytes(evidence::cuda::scratch_size<T>(e.outer, e.count, e.inner)),
          scratch(bytes, stream, where),
          work{{scratch.data<unsigned char>(), bytes}, stream} {}
};

void logsumexp(const DeviceArray& a, const std::optional<DeviceArray>& factors,
               index_t first, index_t last, const DeviceArray& out, bool mean,
               std::uintptr_t stream) {
    const char* const where = "evidence.logsumexp";
    const DeviceGuard guard(a.device, where);
    const Extents extents(a.shape.data(), a.ndim(), first, last, where);
    dispatch_real(a, where, "a", [&](auto zero) {
        using T = decltype(zero);
        const auto a_view =
            as_block(as_flat_view<const T>(a, where, "a"), extents, where, "a");
        View3<const T> factors_view;
        if (factors) {
            factors_view = as_block(as_flat_view<const T>(*factors, where, "factors"),
                                    extents, where, "factors");
        }
        const auto out_view =
            as_result(as_flat_view<T>(out, where, "out"), extents, where, "out");
        const Workspace<T> workspace(extents, as_stream(stream), where);
        run_kernel(where, [&] {
            return evidence::cuda::log_sum_exp<T>(a_view, factors_view, out_view, mean,
                                                  workspace.work);
        });
    });
}

void softmax(const DeviceArray& a, index_t axis, const DeviceArray& out, bool log,
             std::uintptr_t stream) {
    const char* const where = "evidence.softmax";
    const DeviceGuard guard(a.device, where);
    const Extents extents(a.shape.data(), a.ndim(), axis, axis + 1, where);
    dispatch_real(a, where, "a", [&](auto zero) {
        using T = decltype(zero);
        const auto a_view =
            as_block(as_flat_view<const T>(a, where, "a"), extents, where, "a");
        const auto out_view =
            as_block(as_flat_view<T>(out, where, "out"), extents, where, "out");
        const Workspace<T> workspace(extents, as_stream(stream), where);
        run_kernel(where, [&] {
            return evidence::cuda::softmax<T>(a_view, out_view, log, workspace.work);
        });
    });
}

void importance_weights(const DeviceArray& log_w, index_t axis,
                        const DeviceArray& bound, const DeviceArray& weights,
                        const DeviceArray& ess, std::uintptr_t stream) {
    const char* const where = "evidence.importance_weights";
    const DeviceGuard guard(log_w.device, where);
    const Extents extents(log_w.shape.data(), log_w.ndim(), axis, axis + 1, where);
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
        const Workspace<T> workspace(extents, as_stream(stream), where);
        run_kernel(where, [&] {
            return evidence::cuda::importance_weights<T>(
                log_w_view, bound_view, weights_view, ess_view, workspace.work);
        });
    });
}

} // namespace

void register_evidence(py::module_& m) {
    using namespace pybind11::literals;
    auto room = m.def_submodule("evidence", "Log-sum-exp and importance weights.");
    room.def("logsumexp", &logsumexp, "a"_a, "factors"_a.none(true), "first"_a,
             "last"_a, "out"_a, "mean"_a, "stream"_a);
    room.def("softmax", &softmax, "a"_a, "axis"_a, "out"_a, "log"_a, "stream"_a);
    room.def("importance_weights", &importance_weights, "log_w"_a, "axis"_a, "bound"_a,
             "weights"_a, "ess"_a, "stream"_a);
}

} // namespace fastnotes::cuda
