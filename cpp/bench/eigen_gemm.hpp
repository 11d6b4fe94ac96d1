/// Yardstick: Eigen's matrix product, compiled with our flags.
#pragma once

#include "common/view.hpp"

namespace fastnotes::bench {

/// out = a b, or a^T b, by Eigen with its own OpenMP threads.
///
///   a    [rows, depth], or [depth, rows] with transpose_a    in
///   b    [depth, columns]                                    in
///   out  [rows, columns]                                     out, overwritten
///
/// May throw std::bad_alloc: Eigen packs into memory of its own.
template <class T>
void eigen_gemm(View2<const T> a, View2<const T> b, View2<T> out, bool transpose_a,
                int n_threads);

} // namespace fastnotes::bench
