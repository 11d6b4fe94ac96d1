/// Recurrent passes over a batch of sequences of different lengths, forward and
/// backward, for a cell: lstm.hpp and rnn.hpp have the equations.
///
/// Legend: B sequences, T steps, D inputs, H hidden units; n = Cell::gates, the
/// pre-activations of a unit; L = simd::lanes; S = 4L with AVX-512, else 2L, the
/// columns of a register tile; U = max(L, S / n), the units of a panel; P = ceil(H / U)
/// panels; Hs = P * U, the padded H; G = n * Hs, the width of a row of gates; Q(m) =
/// ceil(m / S), slices of S columns.
///
///     a_t = weight_ih x_t + weight_hh h_(t-1) + bias,   the n H pre-activations
///
/// A cell may have its outputs m_t projected: h_t = weight_hr m_t, R wide. Then h, h0,
/// h_last, their gradients and the columns of weight_hh are R where H stands below; Rs
/// = R rounded up to slices.
///
/// Row order. Sequences are sorted by falling length, so that those still running at
/// step t are a prefix. The running rows of step 0, then of step 1, ... are the "packed
/// rows", N = sum of the lengths. A row of gates is laid out [P][n][U].
///
/// Determinism. A pre-activation is one chain of fused multiply-adds: bias, then
/// x[0..D), then h[0..H). The same holds for dx and dh (over the G gates of a step),
/// for a projected h and for dm. Sums over packed rows (weights, bias, peepholes) run
/// over blocks of whole steps, each block from zero in packed order, blocks added from
/// the last to the first; blocks depend on the number of non-empty sequences alone. So
/// nothing depends on threads or on padding, and a sequence's h, c, dx, dh0, dc0 not on
/// the others.
///
/// Precision: composite, in T. NaN and infinity propagate within their own sequence
/// (and into the weight gradients). Steps past a sequence's end are never read.
#pragma once

#include "common/bfloat16.hpp"
#include "common/view.hpp"

#include <type_traits>
#include <vector>

namespace fastnotes::recurrent {

/// What the LSTM's candidate, or a unit of the plain RNN, passes through.
enum class Candidate { tanh, sigmoid, relu };

struct Sizes {
    index_t batch, time, input, hidden;
    index_t projection = 0;  // R; 0: none
    bool normalised = false; // by layer_norm.hpp

    index_t output() const noexcept { return projection > 0 ? projection : hidden; }
};

/// How much of a state stays as it was before the step.
template <class T> struct Zoneout {
    T part = T(0);            // of every unit at every step, unless there are
    const T* parts = nullptr; // [B, T, H], laid out as h; null: one for all

    bool any() const noexcept { return part != T(0) || parts != nullptr; }
};

/// Gains of what layer_norm.hpp normalises, and the bias of the cell's.
template <class T> struct LayerNorm {
    const T *gain_ih = nullptr, *gain_hh = nullptr; // [G]; null: none
    const T *gain_c = nullptr, *bias_c = nullptr;   // [Hs]
};

/// Packed weights as they are stored: values of T or, where T is float, bfloat16 in
/// their places, whose pairs are of adjacent registers. One of both is null.
template <class T> struct Stored {
    const T* values;
    const Bfloat16* rounded;

    Stored(const T* data = nullptr) noexcept : values(data), rounded(nullptr) {}
    explicit Stored(const Bfloat16* data) noexcept : values(nullptr), rounded(data) {}
    explicit operator bool() const noexcept {
        return values != nullptr || rounded != nullptr;
    }

    Stored& operator+=(index_t n) noexcept {
        if (rounded != nullptr) {
            rounded += n;
        } else {
            values += n;
        }
        return *this;
    }
    Stored operator+(index_t n) const noexcept { return Stored(*this) += n; }

    /// As values of W, one of T and Bfloat16.
    template <class W> const W* as() const noexcept {
        if constexpr (std::is_same_v<W, Bfloat16>) {
            return rounded;
        } else {
            return values;
        }
    }
};

/// What a cell reads beside sums and states.
template <class T> struct Parts {
    Candidate candidate;
    const T* peephole;   // [Hs / L, 3, L]  of the gates i, f, o; null: none
    Stored<T> weight_hr; // forward [Q(R), H, S], backward [Q(H), R, S]; null: none
    Zoneout<T> zoneout_h, zoneout_c;
    LayerNorm<T> layer_norm;

    bool zones() const noexcept { return zoneout_h.any() || zoneout_c.any(); }
    bool any() const noexcept { return peephole != nullptr || weight_hr || zones(); }
};

/// Who runs when. Built once per call by make_schedule, read by the kernels.
struct Schedule {
    std::vector<index_t> order;    // [B] sequence of each sorted row
    std::vector<index_t> length;   // [B] length of each sorted row, falling
    std::vector<index_t> start;    // [steps + 1] first packed row of each step
    std::vector<index_t> position; // [N] where each packed row is in x and h: b * T +
                                   // t, or b * T + length - 1 - t in reverse
    index_t steps = 0;             // the longest length

    index_t active(index_t t) const noexcept {
        const auto i = static_cast<std::size_t>(t);
        return t < steps ? start[i + 1] - start[i] : 0;
    }
    index_t first(index_t t) const noexcept {
        return start[static_cast<std::size_t>(t)];
    }
    bool ragged() const noexcept {
        return !length.empty() && length.back() < length.front();
    }
};

///   lengths [B] i64, each in 0..time    in; null: every sequence runs for `time`
///   reverse    sequences run from their ends to their beginnings: step t is place
///              length - 1 - t of x, h, dh and dx
Schedule make_schedule(const Sizes& sizes, const std::int64_t* lengths,
                       bool reverse = false);

// ---------------------------------------------------------------- weights

/// G and Hs.
template <class Cell> index_t gates_width(index_t hidden);
template <class Cell> index_t state_width(index_t hidden);

/// Hs, or with a projection Rs.
template <class Cell> index_t output_width(const Sizes& sizes);

/// Elements of a packed matrix of [n H, columns].
template <class Cell> index_t packed_forward_size(index_t hidden, index_t columns);
template <class Cell> index_t packed_backward_size(index_t hidden, index_t columns);

/// Elements of a packed weight_hr: of its R rows in slices, H deep, or the reverse.
template <class Cell> index_t packed_projection_size(index_t columns, index_t depth);

/// Both weights and the bias, into the layouts of the forward and the backward pass.
///
///   weight_ih [n H, D], weight_hh [n H, H] T  in
///   bias [n H] T                              in; null: zeros
///   peephole [3 H], weight_hr [R, H] T        in; null data: none
///   layer_norm [10 H] T                       in; null: none. gain_ih [4 H], gain_hh
///                                             [4 H], gain_c [H], bias_c [H]
///   forward_ih [G / S, D, S], forward_hh [G / S, H, S], forward_bias [G] T
///       out, overwritten: S columns of a row of gates, zeros for padding units
///   backward_ih [Q(D), G, S], backward_hh [Q(H), G, S] T
///       out, overwritten; null: not wanted. S columns of the rows of the weight in
///       the order of a row of gates, zeros for padding
///   packed_peephole [Hs / L, 3, L] T
///       out, overwritten; null where peephole is. Zeros for padding units
///   forward_hr [Q(R), H, S], backward_hr [Q(H), R, S] T
///       out, overwritten; null where weight_hr or backward_hh is: S rows of weight_hr,
///       S columns of it, zeros for padding
///   packed_layer_norm [2 G + 2 Hs] T
///       out, overwritten; null where layer_norm is: its four parts, zeros for padding
///
/// Outputs alias nothing. One pass over the weights for each layout.
template <class T> struct Packing {
    View2<const T> weight_ih, weight_hh, weight_hr;
    const T *bias, *peephole, *layer_norm;
    T *forward_ih, *forward_hh, *forward_bias;
    T *backward_ih, *backward_hh;
    T *packed_peephole, *forward_hr, *backward_hr, *packed_layer_norm;
};
template <class Cell>
void pack(const Packing<typename Cell::Value>& call, int n_threads) noexcept;

/// Packed weights rounded to bfloat16, nearest, ties to even, for forward and step.
///
///   values [n] f32   in; n a multiple of S
///   rounded [n]      out, overwritten; apart from values
void round_packed(const float* values, index_t n, Bfloat16* rounded) noexcept;

/// The bits of bfloat16 of values in any layout, rounded likewise.
///
///   values [n] f32   in
///   bits [n] u16     out, overwritten; apart from values
void round_to_bfloat16(View1<const float> values, std::uint16_t* bits) noexcept;

/// What the forward kernels take of it.
template <class T> struct PackedWeights {
    Stored<T> weight_ih; // [G / S, D, S]
    Stored<T> weight_hh; // [G / S, H, S]
    const T* bias;       // [G]
};

// ---------------------------------------------------------------- forward

/// Distance of rows of n elements that tiles read side by side: an odd number of cache
/// lines. Rows a power of two apart would compete for the same few places in the cache.
template <class T> constexpr index_t row_stride(index_t n) {
    constexpr auto line = static_cast<index_t>(64 / sizeof(T));
    return n < 4 * line ? n : (ceil_div(n, line) | 1) * line;
}

/// What the backward pass needs; nothing in it aliases an input or a result.
template <class T> struct Cache {
    T* x;     // [N, row_stride(D)]   the inputs of the packed rows
    T* gates; // [N, G]       what became of the pre-activations (the cell says what)
    T* c;     // [B + N, Hs]  c0 in sorted order, then c of the packed rows; null where
              //              the cell has no c
    T* h0;    // [B, Hs]      h0 in sorted order
    T* h;     // [N, Hs]      h of the packed rows; null unless there is zoneout, a
              //              projection or layer normalisation
    T *ih_hat, *hh_hat; // [N, G]   both sums, normalised; null without, and so
    T* moments;         // [N, 4]   1 / deviation of both, mean and 1 / deviation of c
};

/// Elements of scratch that forward needs.
template <class Cell>
index_t forward_scratch(const Sizes& sizes, const Schedule& schedule, bool keep_cache);

/// All steps of all sequences.
///
///   x [B, T, D] T          in; read within the lengths alone
///   h0, c0 [B, H] T        in; null: zeros
///   h [B, T, H] T          out, overwritten; 0 past a sequence's end
///   h_last, c_last [B, H]  out, overwritten; h0, c0 for length 0
///   cache                  out, overwritten; null: inference
///   scratch                [forward_scratch] T, on a cache line
///
/// Where the cell has no c, c0 and c_last are null. Outputs alias nothing. 2 n N H
/// (D + H) flops. Small steps run on fewer threads.
template <class T> struct Forward {
    Sizes sizes;
    Parts<T> parts;
    PackedWeights<T> weights;
    const T *x, *h0, *c0;
    T *h, *h_last, *c_last;
    const Cache<T>* cache;
    T* scratch;
};
template <class Cell>
void forward(const Forward<typename Cell::Value>& call, const Schedule& schedule,
             int n_threads) noexcept;

/// c after every step, out of a cache.
///
///   kept [B + N, Hs]   in
///   c [B, T, H] T      out, overwritten; 0 past a sequence's end
template <class Cell>
void unpack_cells(const typename Cell::Value* kept, const Sizes& sizes,
                  const Schedule& schedule, typename Cell::Value* c) noexcept;

/// One step of B sequences on the calling thread; the same bytes as forward. Zoneout is
/// one part for all. Without layer normalisation: there a step is a forward pass.
///
///   x [B, D], h, c [B, H] T        in; c null where the cell has none
///   h_next, c_next [B, H] T        out, overwritten; apart from x, h and c; likewise
///   scratch [B, H] T               null without a projection
template <class T> struct Step {
    Sizes sizes;
    Parts<T> parts;
    PackedWeights<T> weights;
    const T *x, *h, *c;
    T *h_next, *c_next;
    T* scratch;
};
template <class Cell> void step(const Step<typename Cell::Value>& call) noexcept;

// ---------------------------------------------------------------- backward

template <class Cell>
index_t backward_scratch(const Sizes& sizes, const Schedule& schedule, int n_threads);

/// Backpropagation through time.
///
///   weight_ih, weight_hh      in; packed: [Q(D), G, S] and [Q(H), G, S]
///   cache                     in, untouched: it may be used again
///   dh [B, T, H] T            in; read within the lengths alone
///   dh_last, dc_last [B, H]   in; null: zeros
///   dx [B, T, D] T            out, overwritten (=); 0 past a sequence's end
///   dweight_ih [n H, D], dweight_hh [n H, H], dbias [n H]   out, overwritten (=)
///   dpeephole [3 H], dweight_hr [R, H], dlayer_norm [10 H]   out, overwritten (=);
///                             null without the part
///   dh0, dc0 [B, H] T         out, overwritten (=)
///   scratch                   [backward_scratch] T, on a cache line
///
/// Where the cell has no c, dc_last and dc0 are null. Outputs alias nothing. 4 n N H
/// (D + H) flops.
template <class T> struct Backward {
    Sizes sizes;
    Parts<T> parts;
    const T *weight_ih, *weight_hh;
    Cache<const T> cache;
    const T *dh, *dh_last, *dc_last;
    T *dx, *dweight_ih, *dweight_hh, *dbias, *dpeephole, *dweight_hr, *dlayer_norm;
    T *dh0, *dc0;
    T* scratch;
};
template <class Cell>
void backward(const Backward<typename Cell::Value>& call, const Schedule& schedule,
              int n_threads) noexcept;

} // namespace fastnotes::recurrent
