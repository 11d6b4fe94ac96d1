/// What the gradients of a Chebyshev filter need beside products: see laplacian_matmul
/// for its recurrence.
#pragma once

#include "common/view.hpp"

namespace fastnotes::graph {

/// Doubles that the partial sums of filter_term take.
index_t filter_term_partials(index_t size) noexcept;

/// One term of a filter's backward pass: sum += factor * term, and <term, x>.
///
///   term      [size] T, in
///   x         [size] T, in
///   sum       [size] T, in-out: accumulates by fma; apart from the inputs
///   partials  [filter_term_partials(size)] f64, scratch
///   returns   <term, x>, in f64 over fixed blocks whose sums are added in order, so
///             independent of n_threads
///
/// Precision class: reduction. O(size), one pass.
///
/// Source: y = sum_k theta_k T_k x gives d theta_k = <T_k^T dy, x>, dx = sum_k theta_k
/// T_k^T dy.
template <class T>
double filter_term(View1<const T> term, View1<const T> x, T factor, View1<T> sum,
                   double* partials, int n_threads) noexcept;

} // namespace fastnotes::graph
