/// Softmax cross-entropy of rows of logits, and its gradient.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::nn {

/// loss_r = w_r (log sum_j exp a_rj - a_rt),  gradient_rj = w_r (p_rj - [j = t]), with
/// t = target_r and p_r the softmax of row r.
template <class T> struct CrossEntropy {
    View2<const T> logits;            // [n, C] in
    View1<const std::int64_t> target; // [n] in, -1 to C - 1; -1: the row has no loss
    const T* weight;                  // [n] in, or null for ones; 0: as target -1
    View1<T> loss;                    // [n] out, overwritten
    T* gradient; // [n, C] out, overwritten, logits itself or apart; null: not wanted
};

/// Precision: as evidence/log_sum_exp.hpp. Sum and logarithm are in double, so a float
/// loss keeps its relative accuracy down to 1e-9.
/// Cost: two reads of logits, one of them from cache where C allows, one write of
/// gradient.
/// Edges: rows without loss are not read, their loss and gradient are 0. Any NaN: NaN.
/// n logits +inf: they share the probability; loss log n if the target is one of them,
/// else +inf. The target's logit -inf, or all of them: +inf (softmax of nothing is 0).
/// A row's bytes depend on that row alone, not on n_threads.
/// Source: Bridle (1990), "Probabilistic interpretation of feedforward classification
/// network outputs"; Goodfellow, Bengio, Courville, "Deep Learning", 6.2.2.3.
template <class T>
void cross_entropy(const CrossEntropy<T>& call, int n_threads) noexcept;

} // namespace fastnotes::nn
