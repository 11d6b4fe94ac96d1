/// fastnotes.evidence on CUDA: any shape, one run of neighbouring axes reduced as one.
#include "bindings_cuda/arrays.hpp"
#include "bindings_cuda/rooms.hpp"

#include <pybind11/stl.h>

#include "evidence/importance_weights.hpp"
#include "evidence/log_sum_exp.hpp"
#include "evidence/softmax.hpp"

#include <optional>

namespace fastnotes::cuda {
namespace {

/// A C-contiguous array seen as (outer, K, inner), K the axes [first, last).
struct Extents {
    index_t outer = 1, count = 1, inner = 1;

    Extents(const DeviceArray& array, index_t first, index_t last, const char* where) {
        if (first < 0 || last < first || last > array.ndim()) {
            fail(where, "0 <= first <= last <= ndim",
                 std::to_string(first) + ", " + std::to_string(last));
        }
        for (index_t i = 0; i < array.ndim(); ++i) {
            (i < first  ? outer
             : i < last ? count
                        : inner) *= array.shape[static_cast<std::size_t>(i)];
        }
    }
};

template <class T>
View3<T> block_view(const DeviceArray& array, const Extents& extents, const char* where,
                    const char* name) {
    const View1<T> flat = as_flat_view<T>(array, where, name);
    check_extent(flat.size, extents.outer * extents.count * extents.inner, where, name);
    return {flat.data, extents.outer, extents.count, extents.inner};
}

template <class T>
View2<T> result_view(const DeviceArray& array, const Extents& extents,
                     const char* where, const char* name) {
    const View1<T> flat = as_flat_view<T>(array, where, name);
    check_extent(flat.size, extents.outer * extents.inner, where, name);
    return {flat.data, extents.outer, extents.inner};
}

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
    const Extents extents(a, first, last, where);
    dispatch_real(a, where, "a", [&](auto zero) {
        using T = decltype(zero);
        const auto a_view = block_view<const T>(a, extents, where, "a");
        View3<const T> factors_view;
        if (factors) {
            factors_view = block_view<const T>(*factors, extents, where, "factors");
        }
        const auto out_view = result_view<T>(out, extents, where, "out");
        const Workspace<T> workspace(extents, as_stream(stream), where);
        Status status;
        {
            const py::gil_scoped_release nogil;
            status = evidence::cuda::log_sum_exp<T>(a_view, factors_view, out_view,
                                                    mean, workspace.work);
        }
        check(status, where);
    });
}

void softmax(const DeviceArray& a, index_t axis, const DeviceArray& out, bool log,
             std::uintptr_t stream) {
    const char* const where = "evidence.softmax";
    const DeviceGuard guard(a.device, where);
    const Extents extents(a, axis, axis + 1, where);
    dispatch_real(a, where, "a", [&](auto zero) {
        using T = decltype(zero);
        const auto a_view = block_view<const T>(a, extents, where, "a");
        const auto out_view = block_view<T>(out, extents, where, "out");
        const Workspace<T> workspace(extents, as_stream(stream), where);
        Status status;
        {
            const py::gil_scoped_release nogil;
            status = evidence::cuda::softmax<T>(a_view, out_view, log, workspace.work);
        }
        check(status, where);
    });
}

void importance_weights(const DeviceArray& log_w, index_t axis,
                        const DeviceArray& bound, const DeviceArray& weights,
                        const DeviceArray& ess, std::uintptr_t stream) {
    const char* const where = "evidence.importance_weights";
    const DeviceGuard guard(log_w.device, where);
    const Extents extents(log_w, axis, axis + 1, where);
    dispatch_real(log_w, where, "log_w", [&](auto zero) {
        using T = decltype(zero);
        const auto log_w_view = block_view<const T>(log_w, extents, where, "log_w");
        const auto bound_view = result_view<T>(bound, extents, where, "bound");
        const auto weights_view = block_view<T>(weights, extents, where, "weights");
        const auto ess_view = result_view<T>(ess, extents, where, "ess");
        const Workspace<T> workspace(extents, as_stream(stream), where);
        Status status;
        {
            const py::gil_scoped_release nogil;
            status = evidence::cuda::importance_weights<T>(
                log_w_view, bound_view, weights_view, ess_view, workspace.work);
        }
        check(status, where);
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
