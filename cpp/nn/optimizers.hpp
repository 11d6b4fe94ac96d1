/// Steps of gradient descent, in place, and the norm that clipping needs.
#pragma once

#include "common/view.hpp"

namespace fastnotes::nn {

/// m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
/// p = p - learning_rate (mean_scale m / (sqrt(square_scale v) + epsilon))
///
/// with g the gradient plus `penalty` p, and p first multiplied by `shrink`.
///
/// Source: Kingma and Ba (2015), "Adam", algorithm 1, with mean_scale = 1 / (1 -
/// beta1^t) and square_scale = 1 / (1 - beta2^t); Loshchilov and Hutter (2019),
/// "Decoupled weight decay regularization", for shrink = 1 - learning_rate * decay.
template <class T> struct AdamStep {
    View1<T> parameter;      // [n] in-out
    View1<const T> gradient; // [n] in, apart from the others
    View1<T> mean, square;   // [n] in-out, m and v
    double learning_rate, beta1, beta2, epsilon, mean_scale, square_scale;
    double penalty, shrink;
};

/// u = momentum u + g,  p = p - learning_rate (g + momentum u, or u itself)
///
/// with g and p as above; the first form is `nesterov`. The velocity is empty where
/// momentum is 0: p = p - learning_rate g.
///
/// Source: Sutskever et al. (2013), "On the importance of initialization and momentum
/// in deep learning", in PyTorch's form (the learning rate outside the velocity).
template <class T> struct SGDStep {
    View1<T> parameter;      // [n] in-out
    View1<const T> gradient; // [n] in, apart from the others
    View1<T> velocity;       // [n] in-out, u; or empty
    double learning_rate, momentum;
    bool nesterov;
    double penalty, shrink;
};

/// Precision: a few roundings of T. Cost: memory, each array read and written once. A
/// value's bytes depend on its own entries alone. NaN and infinities run on in theirs.
template <class T> void adam_step(const AdamStep<T>& step, int n_threads) noexcept;
template <class T> void sgd_step(const SGDStep<T>& step, int n_threads) noexcept;

/// Sum of x^2 in double: blocks of 4096 in lanes, added in order; the same bytes at any
/// n_threads. partial: [ceil(n / 4096)] scratch.
inline constexpr index_t norm_block = 4096;
template <class T>
double squared_norm(View1<const T> x, double* partial, int n_threads) noexcept;

} // namespace fastnotes::nn
