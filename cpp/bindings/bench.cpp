/// Yardsticks that the benchmarks time beside the kernels, compiled with the same
/// flags.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "bench/eigen_gemm.hpp"
#include "bench/histogram_f64_pairs.hpp"
#include "common/aligned.hpp"

namespace fastnotes {
namespace {

using namespace pybind11::literals;

void eigen_matmul(const py::array& a, py::handle b, bool transpose_a, py::handle out,
                  int n_threads) {
    const char* const where = "bench.eigen_matmul";
    check_threads(n_threads, where);
    dispatch_real(a, where, "a", [&](auto zero) {
        using T = decltype(zero);
        const auto left = as_view<const T, 2>(a, where, "a");
        const auto right = as_view<const T, 2>(b, where, "b");
        const auto product = as_view<T, 2>(out, where, "out");
        const auto [depth, rows] = transpose_a ? std::pair(left.rows, left.columns)
                                               : std::pair(left.columns, left.rows);
        check_extent(right.rows, depth, where, "b with rows");
        check_extent(product.rows, rows, where, "out with rows");
        check_extent(product.columns, right.columns, where, "out with columns");
        const py::gil_scoped_release released;
        bench::eigen_gemm(left, right, product, transpose_a, n_threads);
    });
}

py::array_t<double> histogram_f64_pairs(const py::object& bins, const py::object& grad,
                                        const py::object& hess, const py::object& rows,
                                        int n_threads) {
    const char* const where = "bench.histogram_f64_pairs";
    const auto codes = as_view<const std::uint8_t, 2>(bins, where, "bins");
    const auto g = as_view<const float, 1>(grad, where, "grad");
    const auto h = as_view<const float, 1>(hess, where, "hess");
    View1<const std::int64_t> used;
    if (!rows.is_none()) used = as_view<const std::int64_t, 1>(rows, where, "rows");
    check_extent(g.size, codes.rows, where, "grad of size n_rows");
    check_extent(h.size, codes.rows, where, "hess of size n_rows");
    check_threads(n_threads, where);
    for (const auto row : used) {
        if (row < 0 || row >= codes.rows) {
            fail(where, "rows in range", std::to_string(row));
        }
    }
    auto out = empty<double>(codes.columns, 256, 2);
    const View3<double> sums{out.mutable_data(), codes.columns, 256, 2};
    const AlignedBuffer<double> partial((n_threads - 1) * sums.size());
    {
        const py::gil_scoped_release nogil;
        bench::histogram_f64_pairs(codes, g, h, used, sums, partial.data(), n_threads);
    }
    return out;
}

} // namespace

void register_bench(py::module_& m) {
    auto room = m.def_submodule("bench", "Yardsticks of the benchmarks.");
    room.def("eigen_matmul", &eigen_matmul, "a"_a, "b"_a, "transpose_a"_a, "out"_a,
             "n_threads"_a);
    room.def("histogram_f64_pairs", &histogram_f64_pairs, "bins"_a, "grad"_a, "hess"_a,
             "rows"_a, "n_threads"_a);
}

} // namespace fastnotes
