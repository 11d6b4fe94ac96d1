/// fastnotes.graph: CSR structures, degrees, operator products and gradients.
///
/// Structures come from check_csr or transpose_csr, which is what makes their indices
/// trustworthy; the other functions check that shapes agree.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"
#include "common/aligned.hpp"
#include "graph/csr.hpp"
#include "graph/laplacian_degrees.hpp"
#include "graph/laplacian_gradients.hpp"
#include "graph/laplacian_matmul.hpp"

#include <limits>
#include <string>

namespace fastnotes {
namespace {

using graph::Csr;
using graph::CsrFault;
using graph::WeightFault;
using std::int32_t;
using std::int64_t;

Csr as_csr(py::handle indptr, py::handle indices, index_t columns, const char* where) {
    const auto starts = as_view<const int64_t, 1>(indptr, where, "indptr");
    const auto entries = as_view<const int32_t, 1>(indices, where, "indices");
    if (starts.size < 1) fail(where, "indptr of at least one element", "none");
    check_extent(entries.size, static_cast<index_t>(starts(starts.size - 1)), where,
                 "indices of length indptr[-1]");
    return {starts.data, entries.data, starts.size - 1, columns};
}

/// A vector of known length, or null for None.
template <class T>
const T* optional_vector(const py::object& array, index_t size, const char* where,
                         const char* name) {
    if (array.is_none()) return nullptr;
    const auto view = as_view<const T, 1>(array, where, name);
    check_extent(view.size, size, where, name);
    return view.data;
}

/// A matrix of the shape of another, or null for None.
template <class T>
const T* optional_like(const py::object& array, View2<T> other, const char* where,
                       const char* name) {
    if (array.is_none()) return nullptr;
    const auto view = as_view<const T, 2>(array, where, name);
    check_extent(view.rows, other.rows, where, name);
    check_extent(view.columns, other.columns, where, name);
    return view.data;
}

[[noreturn]] void raise_fault(const CsrFault& fault, index_t columns,
                              const std::string& where) {
    const auto at = [&](const char* name) {
        return std::string(name) + "[" + std::to_string(fault.position) +
               "] = " + std::to_string(fault.value);
    };
    switch (fault.kind) {
    case CsrFault::Kind::first_start:
        fail(where.c_str(), "indptr to start with 0", at("indptr"));
    case CsrFault::Kind::decreasing:
        fail(where.c_str(), "indptr never decreasing", at("indptr"));
    case CsrFault::Kind::last_start:
        fail(where.c_str(), "indptr to end with the number of entries", at("indptr"));
    default:
        fail(where.c_str(), "indices from 0 to " + std::to_string(columns - 1),
             at("indices"));
    }
}

py::tuple check_csr(const py::array& indptr, const py::array& indices, index_t columns,
                    const std::string& where, int n_threads) {
    const char* const name = where.c_str();
    check_threads(n_threads, name);
    if (columns < 0 || columns > std::numeric_limits<int32_t>::max()) {
        fail(name, "fewer than 2**31 columns", std::to_string(columns));
    }
    const auto run = [&](auto index) {
        using Index = decltype(index);
        const auto starts = as_view<const Index, 1>(indptr, name, "indptr");
        const auto entries = as_view<const Index, 1>(indices, name, "indices");
        if (starts.size < 1) fail(name, "indptr of at least one element", "none");
        auto indptr_out = empty<int64_t>(starts.size);
        auto indices_out = empty<int32_t>(entries.size);
        const auto out = as_view<int64_t, 1>(indptr_out, name, "indptr");
        const auto copied = as_view<int32_t, 1>(indices_out, name, "indices");
        CsrFault fault{};
        {
            const py::gil_scoped_release nogil;
            fault = graph::check_and_copy_csr<Index>(starts, entries, columns, out,
                                                     copied, n_threads);
        }
        if (fault.kind != CsrFault::Kind::none) raise_fault(fault, columns, where);
        return py::make_tuple(std::move(indptr_out), std::move(indices_out));
    };
    if (holds<int32_t>(indices)) return run(int32_t{});
    return run(int64_t{});
}

py::tuple transpose_csr(const py::array& indptr, const py::array& indices,
                        index_t columns, bool with_indices, bool with_order,
                        int n_threads) {
    constexpr const char* where = "graph.transpose_csr";
    check_threads(n_threads, where);
    const Csr a = as_csr(indptr, indices, columns, where);
    auto indptr_t = empty<int64_t>(columns + 1);
    auto indices_t = empty<int32_t>(with_indices ? a.entries() : 0);
    auto order = empty<int64_t>(with_order ? a.entries() : 0);
    const AlignedBuffer<int64_t> scratch(columns);
    auto* const starts = indptr_t.mutable_data();
    auto* const rows = with_indices ? indices_t.mutable_data() : nullptr;
    auto* const positions = with_order ? order.mutable_data() : nullptr;
    {
        const py::gil_scoped_release nogil;
        graph::transpose_csr(a, starts, rows, positions, scratch.data(), n_threads);
    }
    return py::make_tuple(std::move(indptr_t), std::move(indices_t), std::move(order));
}

bool is_canonical(const py::array& indptr, const py::array& indices, index_t columns) {
    const Csr a = as_csr(indptr, indices, columns, "graph.is_canonical");
    const py::gil_scoped_release nogil;
    return graph::is_canonical(a);
}

py::tuple node_degrees(const py::array& indptr, const py::array& indices,
                       const py::object& weights, bool inverse, bool raise_diagonal,
                       const std::string& where, int n_threads) {
    const char* const name = where.c_str();
    check_threads(n_threads, name);
    const Csr a = as_csr(indptr, indices, indptr.size() - 1, name);
    const auto* const w =
        optional_vector<double>(weights, a.entries(), name, "weights");
    auto degree = empty<double>(a.rows);
    auto scale = empty<double>(a.rows);
    auto raised = empty<double>(raise_diagonal ? a.rows : 0);
    auto* const degree_out = degree.mutable_data();
    auto* const scale_out = scale.mutable_data();
    auto* const raised_out = raise_diagonal ? raised.mutable_data() : nullptr;
    WeightFault fault{};
    {
        const py::gil_scoped_release nogil;
        fault = graph::node_degrees(a, w, inverse, raised_out, degree_out, scale_out,
                                    n_threads);
    }
    if (fault.kind == WeightFault::Kind::weight) {
        fail(name, "finite weights >= 0",
             std::to_string(w[fault.position]) + " at entry " +
                 std::to_string(fault.position));
    }
    if (fault.kind == WeightFault::Kind::degree) {
        fail(name, "row sums of A within the range of float64",
             std::to_string(degree_out[fault.position]) + " in row " +
                 std::to_string(fault.position));
    }
    return py::make_tuple(std::move(degree), std::move(scale), std::move(raised));
}

void normalized_values(const py::array& indptr, const py::array& indices,
                       const py::object& weights, const py::array& row_scale,
                       const py::object& column_scale, const py::array& out,
                       int n_threads) {
    constexpr const char* where = "graph.normalized_values";
    check_threads(n_threads, where);
    const Csr a = as_csr(indptr, indices, indptr.size() - 1, where);
    const auto* const w =
        optional_vector<double>(weights, a.entries(), where, "weights");
    const auto* const row =
        optional_vector<double>(row_scale, a.rows, where, "row_scale");
    const auto* const column =
        optional_vector<double>(column_scale, a.columns, where, "column_scale");
    dispatch_real(out, where, "out", [&](auto real) {
        using T = decltype(real);
        const auto values = as_view<T, 1>(out, where, "out");
        check_extent(values.size, a.entries(), where, "out of length indptr[-1]");
        const py::gil_scoped_release nogil;
        graph::normalized_values(a, w, row, column, values.data, n_threads);
    });
}

py::tuple add_diagonal(const py::array& indptr, const py::array& indices,
                       const py::array& values, const py::object& diagonal,
                       int n_threads) {
    constexpr const char* where = "graph.add_diagonal";
    check_threads(n_threads, where);
    const Csr a = as_csr(indptr, indices, indptr.size() - 1, where);
    if (!graph::is_canonical(a)) fail(where, "sorted distinct columns", "others");
    auto indptr_out = empty<int64_t>(a.rows + 1);
    graph::count_with_diagonal(a, indptr_out.mutable_data());
    const int64_t* const starts = indptr_out.data();
    auto indices_out = empty<int32_t>(starts[a.rows]);
    auto* const columns_out = indices_out.mutable_data();
    return dispatch_real(values, where, "values", [&](auto real) -> py::tuple {
        using T = decltype(real);
        const auto* const v = optional_vector<T>(values, a.entries(), where, "values");
        const auto* const d = optional_vector<T>(diagonal, a.rows, where, "diagonal");
        auto values_out = empty<T>(starts[a.rows]);
        auto* const result = values_out.mutable_data();
        {
            const py::gil_scoped_release nogil;
            graph::add_diagonal(a, v, d, starts, columns_out, result, n_threads);
        }
        return py::make_tuple(std::move(indptr_out), std::move(indices_out),
                              std::move(values_out));
    });
}

index_t laplacian_matmul_scratch(const py::array& indptr, const py::array& indices,
                                 const py::array& X) {
    constexpr const char* where = "graph.laplacian_matmul";
    return dispatch_real(X, where, "X", [&](auto real) -> index_t {
        using T = decltype(real);
        const auto x = as_view<const T, 2>(X, where, "X");
        const Csr a = as_csr(indptr, indices, x.rows, where);
        if (!graph::worth_packing<T>(a, x)) return 0;
        return graph::packed_tile_size<T>(x.rows, x.columns);
    });
}

void laplacian_matmul(const py::array& indptr, const py::array& indices,
                      const py::object& values, const py::object& row_scale,
                      const py::object& column_scale, const py::object& diagonal,
                      const py::array& X, const py::array& out,
                      const py::object& scratch, int n_threads, double factor,
                      double added_factor, const py::object& added,
                      const py::object& subtracted) {
    constexpr const char* where = "graph.laplacian_matmul";
    check_threads(n_threads, where);
    dispatch_real(X, where, "X", [&](auto real) {
        using T = decltype(real);
        const auto x = as_view<const T, 2>(X, where, "X");
        const auto y = as_view<T, 2>(out, where, "out");
        const Csr a = as_csr(indptr, indices, x.rows, where);
        check_extent(y.rows, a.rows, where, "out rows");
        check_extent(y.columns, x.columns, where, "out columns");
        const graph::GraphFactors<T> op{
            a, optional_vector<T>(values, a.entries(), where, "values"),
            optional_vector<T>(row_scale, a.rows, where, "row_scale"),
            optional_vector<T>(column_scale, a.columns, where, "column_scale"),
            optional_vector<T>(diagonal, a.rows, where, "diagonal")};
        if (op.diagonal != nullptr) check_extent(x.rows, a.rows, where, "X rows");
        T* work = nullptr;
        if (!scratch.is_none()) {
            const auto view = as_view<T, 1>(scratch, where, "scratch");
            const index_t needed = graph::packed_tile_size<T>(x.rows, x.columns);
            if (view.size < needed) {
                fail(where, "scratch of length " + std::to_string(needed),
                     std::to_string(view.size));
            }
            work = view.data;
        }
        const graph::Epilogue<T> epilogue{
            static_cast<T>(factor), static_cast<T>(added_factor),
            optional_like(added, y, where, "added"),
            optional_like(subtracted, y, where, "subtracted")};
        const bool plain = factor == 1.0 && epilogue.added == nullptr &&
                           epilogue.subtracted == nullptr;
        const py::gil_scoped_release nogil;
        graph::laplacian_matmul(op, x, y, work, n_threads, plain ? nullptr : &epilogue);
    });
}

void edge_weight_gradients(const py::array& indptr, const py::array& indices,
                           const py::object& weights, const py::array& degree,
                           const py::array& scale, const py::object& raised,
                           const py::object& fixed, double sign, bool symmetric,
                           const py::array& X, const py::array& dY, const py::array& dX,
                           const py::array& out, int n_threads) {
    constexpr const char* where = "graph.edge_weight_gradients";
    check_threads(n_threads, where);
    const Csr a = as_csr(indptr, indices, indptr.size() - 1, where);
    const graph::GraphNormalization op{
        a,
        optional_vector<double>(weights, a.entries(), where, "weights"),
        optional_vector<double>(degree, a.rows, where, "degree"),
        optional_vector<double>(scale, a.rows, where, "scale"),
        optional_vector<double>(raised, a.rows, where, "raised"),
        optional_vector<double>(fixed, a.rows, where, "fixed"),
        sign,
        symmetric};
    dispatch_real(X, where, "X", [&](auto real) {
        using T = decltype(real);
        const auto x = as_view<const T, 2>(X, where, "X");
        const auto dy = as_view<const T, 2>(dY, where, "dY");
        const auto dx = as_view<const T, 2>(dX, where, "dX");
        for (const auto& view : {x, dy, dx}) {
            check_extent(view.rows, a.rows, where, "rows");
            check_extent(view.columns, x.columns, where, "columns");
        }
        const auto dw = as_view<T, 1>(out, where, "out");
        check_extent(dw.size, a.entries(), where, "out of length indptr[-1]");
        const py::gil_scoped_release nogil;
        graph::edge_weight_gradients(op, x, dy, dx, dw.data, n_threads);
    });
}

} // namespace

void register_graph(py::module_& m) {
    using namespace pybind11::literals;
    auto room = m.def_submodule("graph", "Graph operators.");
    room.def("check_csr", &check_csr, "indptr"_a, "indices"_a, "n_columns"_a, "where"_a,
             "n_threads"_a);
    room.def("transpose_csr", &transpose_csr, "indptr"_a, "indices"_a, "n_columns"_a,
             "with_indices"_a, "with_order"_a, "n_threads"_a);
    room.def("is_canonical", &is_canonical, "indptr"_a, "indices"_a, "n_columns"_a);
    room.def("node_degrees", &node_degrees, "indptr"_a, "indices"_a, "weights"_a,
             "inverse"_a, "raise_diagonal"_a, "where"_a, "n_threads"_a);
    room.def("normalized_values", &normalized_values, "indptr"_a, "indices"_a,
             "weights"_a, "row_scale"_a, "column_scale"_a, "out"_a, "n_threads"_a);
    room.def("add_diagonal", &add_diagonal, "indptr"_a, "indices"_a, "values"_a,
             "diagonal"_a, "n_threads"_a);
    room.def("laplacian_matmul_scratch", &laplacian_matmul_scratch, "indptr"_a,
             "indices"_a, "X"_a);
    room.def("laplacian_matmul", &laplacian_matmul, "indptr"_a, "indices"_a, "values"_a,
             "row_scale"_a, "column_scale"_a, "diagonal"_a, "X"_a, "out"_a, "scratch"_a,
             "n_threads"_a, "factor"_a = 1.0, "added_factor"_a = 0.0,
             "added"_a = py::none(), "subtracted"_a = py::none());
    room.def("edge_weight_gradients", &edge_weight_gradients, "indptr"_a, "indices"_a,
             "weights"_a, "degree"_a, "scale"_a, "raised"_a, "fixed"_a, "sign"_a,
             "symmetric"_a, "X"_a, "dY"_a, "dX"_a, "out"_a, "n_threads"_a);
    register_graph_chebyshev(room);
    register_graph_edges(room);
}

} // namespace fastnotes
