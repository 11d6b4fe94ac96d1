/// The LSTM, for the passes of pass.hpp and on CUDA.
///
///     a_t = weight_ih x_t + weight_hh h_(t-1) + bias,   gates i, f, g, o of a_t
///     c_t = f * c_(t-1) + i * g,   h_t = o * tanh(c_t)
///     i, f, o = sigmoid(a); g = tanh(a), or sigmoid(a) with Candidate::sigmoid
///
/// On request the gates see the cell through peepholes p: a_i and a_f have p * c_(t-1)
/// added, a_o has p * c_t, each by one more fused multiply-add at its chain's end.
/// With zoneout z the states after the step are z c_(t-1) + (1 - z) c_t and likewise
/// for h; h_t and the peepholes still see the c_t of above. With a projection o *
/// tanh(c_t) is m_t. Layer normalisation is layer_norm.hpp's.
///
/// Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with the forget
/// gate of Gers, Schmidhuber and Cummins (2000); gate order as in PyTorch. The sigmoid
/// candidate: Goodfellow, Bengio and Courville, "Deep Learning", section 10.10.1.
/// Peepholes: Gers, Schraudolph and Schmidhuber, "Learning Precise Timing with LSTM
/// Recurrent Networks" (2002). Zoneout: Krueger et al., "Zoneout: Regularizing RNNs by
/// Randomly Preserving Hidden Activations" (2017). Projection: Sak, Senior and
/// Beaufays, "Long Short-Term Memory Recurrent Neural Network Architectures" (2014).
#pragma once

#include "common/cuda.hpp"
#include "recurrent/pass.hpp"

namespace fastnotes::recurrent {

template <class T> struct ExtendedLSTM;
template <class T> struct NormalisedLSTM;

/// Cache: gates hold i, f, g, o after their activations; c and h are after zoneout.
template <class T> struct LSTM {
    using Value = T;
    using Extended = ExtendedLSTM<T>;
    using Normalised = NormalisedLSTM<T>;
    static constexpr index_t gates = 4;
    static constexpr bool has_c = true, extended = false, normalised = false;
};

/// The same with whichever of its optional parts a call has, and with layer
/// normalisation; the passes choose.
template <class T> struct ExtendedLSTM : LSTM<T> {
    static constexpr bool extended = true;
};
template <class T> struct NormalisedLSTM : ExtendedLSTM<T> {
    static constexpr bool normalised = true;
};

// ---------------------------------------------------------------- layer normalisation

/// forward of pass.hpp for weights with layer normalisation, which forward lacks.
template <class T>
index_t layer_norm_forward_scratch(const Sizes& sizes, const Schedule& schedule,
                                   bool keep_cache);
template <class T>
void layer_norm_forward(const Forward<T>& call, const Schedule& schedule,
                        int n_threads) noexcept;

// ---------------------------------------------------------------- CUDA

/// Twins on a device: results, edge values and the order of the rows as in pass.hpp; H4
/// = H rounded up to a multiple of 4. A row of gates is laid out [H][i f g o], and a
/// pre-activation is bias + weight_ih x, then + weight_hh h, each a sum of its own. The
/// order of every sum depends on D, H, T and, for the weights' gradients, on N alone,
/// and on whether the recurrence can stay on the chip (float, H <= 1024, enough
/// multiprocessors). A launcher reads `schedule` on the host and waits for nothing.
namespace cuda {

using fastnotes::cuda::Status;
using fastnotes::cuda::Stream;

/// As make_schedule of pass.hpp, without `position`, which is filled on the device.
recurrent::Schedule make_schedule(const Sizes& sizes, const std::int64_t* lengths);

/// Elements of LSTMCache::schedule.
index_t schedule_size(const Sizes& sizes, index_t rows) noexcept;

/// What the backward pass needs; device memory on 16 bytes, aliasing nothing else.
template <class T> struct LSTMCache {
    T* x;     // [N, D]       the inputs of the packed rows
    T* gates; // [N, H, 4]    i, f, g, o after their activations
    T* c;     // [B + N, H]   c0 in sorted order, then c of the packed rows
    T* h;     // [B + N, H4]  h0 and h likewise, zeros from H on
    std::int64_t* schedule; // [schedule_size] the schedule in device memory
};

/// Bytes of scratch that lstm_forward needs.
template <class T>
index_t lstm_forward_scratch(const Sizes& sizes, const recurrent::Schedule& schedule,
                             bool keep_cache) noexcept;

///   weight_ih [4H, D], weight_hh [4H, H], bias [4H] T    in; bias null: zeros
///   ragged    whether any sequence is shorter than T
///   the rest as in Forward of pass.hpp, in device memory; cache null: inference; for
///             T = 1, h may be h_last
///   scratch   [lstm_forward_scratch] bytes, on 16 bytes
///
/// Cost. 8 N H (D + H) flops; one launch for all steps where the recurrence stays on
/// the chip, else two a step.
template <class T> struct LSTMForward {
    Sizes sizes;
    Candidate candidate;
    bool ragged;
    const T *weight_ih, *weight_hh, *bias;
    const T *x, *h0, *c0;
    T *h, *h_last, *c_last;
    const LSTMCache<T>* cache;
    void* scratch;
};
template <class T>
Status lstm_forward(const LSTMForward<T>& call, const recurrent::Schedule& schedule,
                    Stream stream) noexcept;

/// Bytes of scratch that lstm_backward needs.
template <class T>
index_t lstm_backward_scratch(const Sizes& sizes,
                              const recurrent::Schedule& schedule) noexcept;

///   weights and cache as the forward pass had and left them     in
///   the rest as in Backward of pass.hpp, in device memory
///   scratch   [lstm_backward_scratch] bytes, on 16 bytes
///
/// Cost. 16 N H (D + H) flops.
template <class T> struct LSTMBackward {
    Sizes sizes;
    Candidate candidate;
    bool ragged;
    const T *weight_ih, *weight_hh;
    LSTMCache<const T> cache;
    const T *dh, *dh_last, *dc_last;
    T *dx, *dweight_ih, *dweight_hh, *dbias, *dh0, *dc0;
    void* scratch;
};
template <class T>
Status lstm_backward(const LSTMBackward<T>& call, const recurrent::Schedule& schedule,
                     Stream stream) noexcept;

} // namespace cuda
} // namespace fastnotes::recurrent
