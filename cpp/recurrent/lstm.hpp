/// LSTM over a batch of sequences of different lengths, forward and backward.
///
/// Legend: B sequences, T steps, D inputs, H hidden units; L = simd::lanes<T>;
/// P = ceil(H / L) panels of units; Hs = P * L, the padded H; G = 4 * Hs, the width of
/// a row of gates; S = 4L with AVX-512, else 2L, the columns of a register tile; Q(n) =
/// ceil(n / S), slices of S columns.
///
///     a_t = weight_ih x_t + weight_hh h_(t-1) + bias,   gates i, f, g, o of a_t
///     c_t = f * c_(t-1) + i * g,   h_t = o * tanh(c_t)
///     i, f, o = sigmoid(a); g = tanh(a), or sigmoid(a) with Candidate::sigmoid
///
/// Source: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with the forget
/// gate of Gers, Schmidhuber and Cummins (2000); gate order as in PyTorch. The sigmoid
/// candidate: Goodfellow, Bengio and Courville, "Deep Learning", section 10.10.1.
///
/// Row order. Sequences are sorted by falling length, so that those still running at
/// step t are a prefix. The running rows of step 0, then of step 1, ... are the "packed
/// rows", N = sum of the lengths. A row of gates is laid out [P][i f g o][L].
///
/// Determinism. A pre-activation is one chain of fused multiply-adds: bias, then
/// x[0..D), then h[0..H). The same holds for dx and dh (over the G gates of a step).
/// Sums over packed rows (weights, bias) run over blocks of whole steps, each block
/// from zero in packed order, blocks added from the last to the first; blocks depend on
/// the number of non-empty sequences alone. So nothing depends on threads or on
/// padding, and a sequence's h, c, dx, dh0, dc0 not on the others.
///
/// Precision: composite, in T. NaN and infinity propagate within their own sequence
/// (and into the weight gradients). Steps past a sequence's end are never read.
#pragma once

#include "common/cuda.hpp"
#include "common/view.hpp"

#include <vector>

namespace fastnotes::recurrent {

enum class Candidate { tanh, sigmoid };

struct LSTMSizes {
    index_t batch, time, input, hidden;
};

/// Who runs when. Built once per call by make_schedule, read by the kernels.
struct Schedule {
    std::vector<index_t> order;    // [B] sequence of each sorted row
    std::vector<index_t> length;   // [B] length of each sorted row, falling
    std::vector<index_t> start;    // [steps + 1] first packed row of each step
    std::vector<index_t> position; // [N] b * T + t of each packed row
    index_t steps = 0;             // the longest length

    index_t active(index_t t) const noexcept {
        const auto i = static_cast<std::size_t>(t);
        return t < steps ? start[i + 1] - start[i] : 0;
    }
    index_t first(index_t t) const noexcept {
        return start[static_cast<std::size_t>(t)];
    }
};

///   lengths [B] i64, each in 0..time    in; null: every sequence runs for `time`
Schedule make_schedule(const LSTMSizes& sizes, const std::int64_t* lengths);

// ---------------------------------------------------------------- weights

/// Elements of a packed matrix of [4H, columns].
template <class T> index_t packed_forward_size(index_t hidden, index_t columns);
template <class T> index_t packed_backward_size(index_t hidden, index_t columns);
/// G, the elements of a packed bias.
template <class T> index_t packed_bias_size(index_t hidden);

/// Both weights and the bias, into the layouts of the forward and the backward pass.
///
///   weight_ih [4H, D], weight_hh [4H, H] T    in
///   bias [4H] T                               in; null: zeros
///   forward_ih [G / S, D, S], forward_hh [G / S, H, S], forward_bias [G] T
///       out, overwritten: S columns of a row of gates, zeros for padding units
///   backward_ih [Q(D), G, S], backward_hh [Q(H), G, S] T
///       out, overwritten; null: not wanted. S columns of the rows of the weight in
///       the order of a row of gates, zeros for padding
///
/// Outputs alias nothing. One pass over the weights for each layout.
template <class T> struct LSTMPacking {
    View2<const T> weight_ih, weight_hh;
    const T* bias;
    T *forward_ih, *forward_hh, *forward_bias;
    T *backward_ih, *backward_hh;
};
template <class T> void lstm_pack(const LSTMPacking<T>& call, int n_threads) noexcept;

/// What the forward kernels take of it.
template <class T> struct LSTMPacked {
    const T* weight_ih; // [G / S, D, S]
    const T* weight_hh; // [G / S, H, S]
    const T* bias;      // [G]
};

// ---------------------------------------------------------------- forward

/// Distance of rows of n elements that tiles read side by side: an odd number of cache
/// lines. Rows a power of two apart would compete for the same few places in the cache.
template <class T> constexpr index_t lstm_row_stride(index_t n) {
    constexpr auto line = static_cast<index_t>(64 / sizeof(T));
    return n < 4 * line ? n : (ceil_div(n, line) | 1) * line;
}

/// What the backward pass needs; nothing in it aliases an input or a result.
template <class T> struct LSTMCache {
    T* x;     // [N, lstm_row_stride(D)]   the inputs of the packed rows
    T* gates; // [N, G]       i, f, g, o after their activations
    T* c;     // [B + N, Hs]  c0 in sorted order, then c of the packed rows
    T* h0;    // [B, Hs]      h0 in sorted order
};

/// Elements of scratch that lstm_forward needs.
template <class T>
index_t lstm_forward_scratch(const LSTMSizes& sizes, const Schedule& schedule,
                             bool keep_cache);

/// All steps of all sequences.
///
///   x [B, T, D] T          in; read within the lengths alone
///   h0, c0 [B, H] T        in; null: zeros
///   h [B, T, H] T          out, overwritten; 0 past a sequence's end
///   h_last, c_last [B, H]  out, overwritten; h0, c0 for length 0
///   cache                  out, overwritten; null: inference
///   scratch                [lstm_forward_scratch] T, on a cache line
///
/// Outputs alias nothing. 8 N H (D + H) flops. Small steps run on fewer threads.
template <class T> struct LSTMForward {
    LSTMSizes sizes;
    Candidate candidate;
    LSTMPacked<T> weights;
    const T *x, *h0, *c0;
    T *h, *h_last, *c_last;
    const LSTMCache<T>* cache;
    T* scratch;
};
template <class T>
void lstm_forward(const LSTMForward<T>& call, const Schedule& schedule,
                  int n_threads) noexcept;

/// One step of B sequences on the calling thread; the same bytes as lstm_forward.
///
///   x [B, D], h, c [B, H] T        in
///   h_next, c_next [B, H] T        out, overwritten; apart from x, h and c
template <class T>
void lstm_step(const LSTMSizes& sizes, Candidate candidate,
               const LSTMPacked<T>& weights, const T* x, const T* h, const T* c,
               T* h_next, T* c_next) noexcept;

// ---------------------------------------------------------------- backward

template <class T>
index_t lstm_backward_scratch(const LSTMSizes& sizes, const Schedule& schedule,
                              int n_threads);

/// Backpropagation through time.
///
///   weight_ih, weight_hh      in; packed: [Q(D), G, S] and [Q(H), G, S]
///   cache                     in, untouched: it may be used again
///   dh [B, T, H] T            in; read within the lengths alone
///   dh_last, dc_last [B, H]   in; null: zeros
///   dx [B, T, D] T            out, overwritten (=); 0 past a sequence's end
///   dweight_ih [4H, D], dweight_hh [4H, H], dbias [4H]   out, overwritten (=)
///   dh0, dc0 [B, H] T         out, overwritten (=)
///   scratch                   [lstm_backward_scratch] T, on a cache line
///
/// Outputs alias nothing. 16 N H (D + H) flops.
template <class T> struct LSTMBackward {
    LSTMSizes sizes;
    Candidate candidate;
    const T *weight_ih, *weight_hh;
    LSTMCache<const T> cache;
    const T *dh, *dh_last, *dc_last;
    T *dx, *dweight_ih, *dweight_hh, *dbias, *dh0, *dc0;
    T* scratch;
};
template <class T>
void lstm_backward(const LSTMBackward<T>& call, const Schedule& schedule,
                   int n_threads) noexcept;

// ---------------------------------------------------------------- CUDA

/// Twins on a device: results, edge values and the order of the rows as above; H4 = H
/// rounded up to a multiple of 4. A row of gates is laid out [H][i f g o], and a
/// pre-activation is bias + weight_ih x, then + weight_hh h, each a sum of its own. The
/// order of every sum depends on D, H, T and, for the weights' gradients, on N alone,
/// and on whether the recurrence can stay on the chip (float, H <= 1024, enough
/// multiprocessors). A launcher reads `schedule` on the host and waits for nothing.
namespace cuda {

using fastnotes::cuda::Status;
using fastnotes::cuda::Stream;

/// As make_schedule above, without `position`, which is filled on the device.
recurrent::Schedule make_schedule(const LSTMSizes& sizes, const std::int64_t* lengths);

/// Elements of LSTMCache::schedule.
index_t schedule_size(const LSTMSizes& sizes, index_t rows) noexcept;

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
index_t lstm_forward_scratch(const LSTMSizes& sizes,
                             const recurrent::Schedule& schedule,
                             bool keep_cache) noexcept;

///   weight_ih [4H, D], weight_hh [4H, H], bias [4H] T    in; bias null: zeros
///   ragged    whether any sequence is shorter than T
///   the rest as in LSTMForward above, in device memory; cache null: inference; for
///             T = 1, h may be h_last
///   scratch   [lstm_forward_scratch] bytes, on 16 bytes
///
/// Cost. 8 N H (D + H) flops; one launch for all steps where the recurrence stays on
/// the chip, else two a step.
template <class T> struct LSTMForward {
    LSTMSizes sizes;
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
index_t lstm_backward_scratch(const LSTMSizes& sizes,
                              const recurrent::Schedule& schedule) noexcept;

///   weights and cache as the forward pass had and left them     in
///   the rest as in LSTMBackward above, in device memory
///   scratch   [lstm_backward_scratch] bytes, on 16 bytes
///
/// Cost. 16 N H (D + H) flops.
template <class T> struct LSTMBackward {
    LSTMSizes sizes;
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
