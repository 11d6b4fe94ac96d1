/// fastnotes.graph on CUDA devices: products and gradients of operators.
///
/// Structures, factors and long rows are what fastnotes/graph/_cuda.py made from arrays
/// that the CPU module has checked, and copied itself; here their shapes must agree.
#include "bindings_cuda/arrays.hpp"
#include "bindings_cuda/rooms.hpp"
#include "graph/laplacian_gradients.hpp"
#include "graph/laplacian_matmul.hpp"

namespace fastnotes::cuda {
namespace {

using graph::Csr;
using graph::cuda::LongRows;
using std::int32_t;
using std::int64_t;
using Optional = const DeviceArray*; // null for None

/// (indptr, indices, long_rows, first_run, run_owner), all on the device.
struct Structure {
    Csr rows;
    LongRows long_rows;
    index_t entries;
};

Structure as_structure(const py::tuple& arrays, const char* where) {
    if (arrays.size() != 5) fail(where, "a structure of 5 arrays", "others");
    const auto at = [&](std::size_t i) { return arrays[i].cast<const DeviceArray&>(); };
    const auto indptr = as_view<const int64_t, 1>(at(0), where, "indptr");
    const auto indices = as_view<const int32_t, 1>(at(1), where, "indices");
    const auto rows = as_view<const int32_t, 1>(at(2), where, "long_rows");
    const auto first_run = as_view<const int64_t, 1>(at(3), where, "first_run");
    const auto run_owner = as_view<const int32_t, 1>(at(4), where, "run_owner");
    if (indptr.size < 1) fail(where, "indptr of at least one element", "none");
    check_extent(first_run.size, rows.size + 1, where, "length of first_run");
    const index_t n = indptr.size - 1;
    return {{indptr.data, indices.data, n, n},
            {rows.data, first_run.data, run_owner.data, rows.size, run_owner.size},
            indices.size};
}

/// A vector of known length, or null for None.
template <class T>
const T* optional_vector(Optional array, index_t size, const char* where,
                         const char* name) {
    if (array == nullptr) return nullptr;
    const auto view = as_view<const T, 1>(*array, where, name);
    check_extent(view.size, size, where, name);
    return view.data;
}

/// (n, F), or (n,) as one column.
template <class T>
View2<T> as_columns(const DeviceArray& array, index_t rows, const char* where,
                    const char* name) {
    const auto flat = as_flat_view<T>(array, where, name);
    if (array.ndim() != 1 && array.ndim() != 2) {
        fail(where, std::string(name) + " with 1 or 2 dimensions", array.text());
    }
    check_extent(array.shape[0], rows, where, "rows");
    return {flat.data, rows, array.ndim() == 1 ? 1 : array.shape[1]};
}

void laplacian_matmul(const py::tuple& structure, Optional values, Optional row_scale,
                      Optional column_scale, Optional diagonal, const DeviceArray& X,
                      const DeviceArray& out, std::uintptr_t stream) {
    constexpr const char* where = "graph.laplacian_matmul";
    const DeviceGuard guard(X.device, where);
    const auto [rows, long_rows, entries] = as_structure(structure, where);
    dispatch_real(X, where, "X", [&](auto real) {
        using T = decltype(real);
        const auto x = as_columns<const T>(X, rows.rows, where, "X");
        const auto y = as_columns<T>(out, rows.rows, where, "out");
        check_extent(y.columns, x.columns, where, "out columns");
        const graph::GraphFactors<T> op{
            rows, optional_vector<T>(values, entries, where, "values"),
            optional_vector<T>(row_scale, rows.rows, where, "row_scale"),
            optional_vector<T>(column_scale, rows.rows, where, "column_scale"),
            optional_vector<T>(diagonal, rows.rows, where, "diagonal")};
        const Scratch scratch(
            graph::cuda::laplacian_matmul_scratch<T>(op, entries, long_rows, x, y),
            as_stream(stream), where);
        run_kernel(where, [&] {
            return graph::cuda::laplacian_matmul<T>(
                op, entries, long_rows, x, y, scratch.data<void>(), as_stream(stream));
        });
    });
}

void edge_weight_gradients(const py::tuple& structure, Optional order, Optional weights,
                           const DeviceArray& degree, const DeviceArray& scale,
                           Optional raised, Optional fixed, double sign, bool symmetric,
                           const DeviceArray& X, const DeviceArray& dY,
                           const DeviceArray& dX, const DeviceArray& out,
                           std::uintptr_t stream) {
    constexpr const char* where = "graph.edge_weight_gradients";
    const DeviceGuard guard(X.device, where);
    const auto [rows, long_rows, entries] = as_structure(structure, where);
    const index_t n = rows.rows;
    const graph::GraphNormalization op{
        rows,
        optional_vector<double>(weights, entries, where, "weights"),
        optional_vector<double>(&degree, n, where, "degree"),
        optional_vector<double>(&scale, n, where, "scale"),
        optional_vector<double>(raised, n, where, "raised"),
        optional_vector<double>(fixed, n, where, "fixed"),
        sign,
        symmetric};
    const auto* const places = optional_vector<int64_t>(order, entries, where, "order");
    const Scratch scratch(graph::cuda::edge_weight_gradients_scratch(long_rows),
                          as_stream(stream), where);
    dispatch_real(X, where, "X", [&](auto real) {
        using T = decltype(real);
        const auto x = as_columns<const T>(X, n, where, "X");
        const auto dy = as_columns<const T>(dY, n, where, "dY");
        const auto dx = as_columns<const T>(dX, n, where, "dX");
        check_extent(dy.columns, x.columns, where, "columns");
        check_extent(dx.columns, x.columns, where, "columns");
        const auto dw = as_view<T, 1>(out, where, "out");
        check_extent(dw.size, entries, where, "out of length indptr[-1]");
        run_kernel(where, [&] {
            return graph::cuda::edge_weight_gradients<T>(
                op, long_rows, places, x, dy, dx, dw.data, scratch.data<void>(),
                as_stream(stream));
        });
    });
}

} // namespace

void register_graph(py::module_& m) {
    using namespace pybind11::literals;
    auto room = m.def_submodule("graph", "Graph operators.");
    room.attr("run_entries") = graph::run_entries;
    room.def("laplacian_matmul", &laplacian_matmul, "structure"_a, "values"_a,
             "row_scale"_a, "column_scale"_a, "diagonal"_a, "X"_a, "out"_a, "stream"_a);
    room.def("edge_weight_gradients", &edge_weight_gradients, "structure"_a, "order"_a,
             "weights"_a, "degree"_a, "scale"_a, "raised"_a, "fixed"_a, "sign"_a,
             "symmetric"_a, "X"_a, "dY"_a, "dX"_a, "out"_a, "stream"_a);
}

} // namespace fastnotes::cuda
