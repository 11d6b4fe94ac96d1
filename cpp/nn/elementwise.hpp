/// y = f(x), value by value, for the elementary functions of simd_math.
#pragma once

#include "common/view.hpp"

namespace fastnotes::nn {

enum class Elementwise { exp, log, log1p, expm1, tanh, sigmoid, softplus };

/// x   [n] T, in
/// y   [n] T, out, overwritten; x itself, or apart from it
///
/// Precision: the bounds in ULP of common/simd_math.hpp. A value's result depends on
/// that value alone: not on its place, on n, or on n_threads. Edge values: NaN gives
/// NaN; exp(-inf) = 0, exp(inf) = inf; log(0) = log1p(-1) = -inf, log of what is below
/// is NaN; expm1, log1p and tanh keep the sign of 0; tanh(+-inf) =
/// +-1; sigmoid and softplus are 0 at -inf, and 1 and inf at inf. n = 0 does nothing.
/// Cost: one read and one write of memory, which is what a large array is limited by;
/// such a y goes past the cache (non-temporal stores). Arrays of less than 32768 values
/// per thread take fewer threads.
///
/// Source: the functions' definitions; sigmoid(x) = 1 / (1 + exp(-x)), softplus(x) =
/// log(1 + exp(x)).
template <class T>
void elementwise(Elementwise function, View1<const T> x, View1<T> y,
                 int n_threads) noexcept;

} // namespace fastnotes::nn
