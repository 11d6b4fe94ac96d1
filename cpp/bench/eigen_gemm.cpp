#include "bench/eigen_gemm.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 sees its own AVX-512 headers leave registers uninitialised on purpose.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <Eigen/Core>

namespace fastnotes::bench {
namespace {

template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T> Eigen::Map<const RowMajor<T>> as_eigen(View2<const T> view) {
    return {view.data, view.rows, view.columns};
}

} // namespace

template <class T>
void eigen_gemm(View2<const T> a, View2<const T> b, View2<T> out, bool transpose_a,
                int n_threads) {
    Eigen::setNbThreads(n_threads);
    Eigen::Map<RowMajor<T>> product(out.data, out.rows, out.columns);
    if (transpose_a) {
        product.noalias() = as_eigen(a).transpose() * as_eigen(b);
    } else {
        product.noalias() = as_eigen(a) * as_eigen(b);
    }
}

template void eigen_gemm<float>(View2<const float>, View2<const float>, View2<float>,
                                bool, int);
template void eigen_gemm<double>(View2<const double>, View2<const double>,
                                 View2<double>, bool, int);

} // namespace fastnotes::bench
