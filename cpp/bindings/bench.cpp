/// Yardsticks that the benchmarks time beside the kernels, compiled with the same
/// flags.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"

#include "bench/eigen_gemm.hpp"

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

} // namespace

void register_bench(py::module_& m) {
    auto room = m.def_submodule("bench", "Yardsticks of the benchmarks.");
    room.def("eigen_matmul", &eigen_matmul, "a"_a, "b"_a, "transpose_a"_a, "out"_a,
             "n_threads"_a);
}

} // namespace fastnotes
