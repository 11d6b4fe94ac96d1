/// What the CUDA kernels of the LSTM share: the cell, the schedule, rows by the batch.
#pragma once

#include "common/cuda.cuh"
#include "recurrent/lstm.hpp"

namespace fastnotes::recurrent::cuda::detail {

using fastnotes::cuda::launched;

/// The parts of LSTMCache::schedule, all in device memory.
struct DeviceSchedule {
    const std::int64_t* order;    // [B] sequence of each sorted row
    const std::int64_t* length;   // [B] of each sorted row, falling
    const std::int64_t* start;    // [T + 1] first packed row of each step
    const std::int64_t* position; // [N] b * T + t of each packed row
    const std::int64_t* before;   // [N] row of LSTMCache::h that holds h_(t-1)

    DeviceSchedule(const std::int64_t* data, const Sizes& sizes, index_t rows) noexcept
        : order(data), length(order + sizes.batch), start(length + sizes.batch),
          position(start + sizes.time + 1), before(position + rows) {}
};

/// A row of states, padded so that it can be read 16 bytes at a time.
inline index_t padded(index_t hidden) noexcept { return round_up(hidden, 4); }

/// What the forward kernels work on; `states` and `c` are LSTMCache's h and c, or two
/// alternating sets of states [2, B, H4] and one of cells [B, H].
template <class T> struct ForwardRun {
    index_t batch, time, hidden, padded;
    bool tanh_candidate, keep;
    const T* weight_hh;
    DeviceSchedule schedule;
    T *gates, *c, *states;
    T *h, *h_last, *c_last;

    __device__ index_t row_before(index_t t, index_t first_before, index_t row) const {
        if (!keep) return (t % 2) * batch + row;
        return t == 0 ? row : batch + first_before + row;
    }
    __device__ index_t row_now(index_t t, index_t first_now, index_t row) const {
        return keep ? batch + first_now + row : ((t + 1) % 2) * batch + row;
    }
};

template <class T> struct BackwardRun {
    index_t batch, time, hidden;
    bool tanh_candidate;
    const T* weight_hh;
    DeviceSchedule schedule;
    const T *gates, *c;
    const T *dh, *dh_last, *dc_last;
    T* da; // [N, H, 4] gradients of the pre-activations
    T *dh0, *dc0;
};

__device__ inline float fused(float a, float b, float c) { return fmaf(a, b, c); }
__device__ inline double fused(double a, double b, double c) { return fma(a, b, c); }

/// 2^a and 1 / a within 2 units of the last place; what is too small becomes 0.
__device__ inline float power_of_2(float a) {
    float power;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(a));
    return power;
}
__device__ inline float reciprocal(float a) {
    float one_over;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(one_over) : "f"(a));
    return one_over;
}

/// tanh(a) or sigmoid(a), without branches: lanes may differ in which. The error is
/// within 2^-22 of the result, plus |a| 2^-23 of it where sigmoid is below 1/2.
__device__ inline float squash(float a, bool tanh) {
    constexpr float log2_e = 1.442695041f, near = 0.6f;
    const float size = fabsf(a);
    const float r =
        reciprocal(1.0f + power_of_2(tanh ? 2 * log2_e * size : -log2_e * a));
    const float far = copysignf(fmaf(-2.0f, r, 1.0f), a);
    const float square = a * a; // tanh(a) / a - 1 is a polynomial of it near 0
    float series = fmaf(0.0157296831f, square, -0.0523029624f);
    series = fmaf(series, square, 0.133152977f);
    series = fmaf(series, square, -0.333327681f);
    const float small = fmaf(series * square, a, a);
    return !tanh ? r : size < near ? small : far;
}
__device__ inline double squash(double a, bool tanh_wanted) {
    return tanh_wanted ? tanh(a) : 1.0 / (1.0 + exp(-a));
}

/// Four numbers of a unit, in the order i, f, g, o.
template <class T> struct alignas(4 * sizeof(T)) Gates {
    T i, f, g, o;
};

/// Gates from their pre-activations.
template <class T>
__device__ inline Gates<T> activate(const Gates<T>& a, bool tanh_candidate) {
    return {squash(a.i, false), squash(a.f, false), squash(a.g, tanh_candidate),
            squash(a.o, false)};
}

template <class T> struct Cell {
    Gates<T> gates;
    T c, h;

    Cell() = default;
    __device__ Cell(const Gates<T>& active, T c_before)
        : gates(active), c(fused(active.f, c_before, active.i * active.g)),
          h(active.o * squash(c, true)) {}
};

/// Writes what a cell leaves outside the chip; `row` is sorted, `first` the first
/// packed row of step t.
template <class T>
__device__ inline void write_cell(const ForwardRun<T>& run, const Cell<T>& cell,
                                  index_t t, index_t first, index_t row, index_t b,
                                  index_t length, index_t unit) {
    run.h[(b * run.time + t) * run.hidden + unit] = cell.h;
    if (run.keep) {
        const index_t at = (first + row) * run.hidden + unit;
        reinterpret_cast<Gates<T>*>(run.gates)[at] = cell.gates;
        run.c[run.batch * run.hidden + at] = cell.c;
    }
    if (t + 1 == length) {
        run.h_last[b * run.hidden + unit] = cell.h;
        run.c_last[b * run.hidden + unit] = cell.c;
    }
}

/// What a cell's gradients are made of.
template <class T> struct CellTrace {
    Gates<T> gates;
    T c, c_before, dh;
};

template <class T>
__device__ inline CellTrace<T> read_trace(const BackwardRun<T>& run, index_t t,
                                          index_t first, index_t first_before,
                                          index_t row, index_t b, index_t unit) {
    const index_t at = (first + row) * run.hidden + unit;
    const index_t before = t == 0 ? row : run.batch + first_before + row;
    return {reinterpret_cast<const Gates<T>*>(run.gates)[at],
            run.c[run.batch * run.hidden + at], run.c[before * run.hidden + unit],
            run.dh[(b * run.time + t) * run.hidden + unit]};
}

/// The derivatives of a cell, for when the gradients of its h and c come: those of its
/// pre-activations by the gradient of c, but of o by that of h.
template <class T> struct CellSlopes {
    Gates<T> a;
    T c_by_h, forget, dh;

    __device__ CellSlopes(const CellTrace<T>& trace, bool tanh_candidate)
        : forget(trace.gates.f), dh(trace.dh) {
        const auto& [i, f, g, o] = trace.gates;
        const T one = T(1), tanh_c = squash(trace.c, true);
        c_by_h = o * (one - tanh_c * tanh_c);
        a = {g * (i * (one - i)), trace.c_before * (f * (one - f)),
             i * (tanh_candidate ? one - g * g : g * (one - g)),
             tanh_c * (o * (one - o))};
    }

    /// Gradients of the pre-activations; dc becomes that of the step before.
    __device__ Gates<T> gradients(T dh_later, T& dc) const {
        const T dh_all = dh_later + dh;
        const T total = fused(dh_all, c_by_h, dc);
        dc = total * forget;
        return {total * a.i, total * a.f, total * a.g, dh_all * a.o};
    }
};

template <class T>
__device__ inline T state_or_zero(const T* state, index_t b, index_t hidden,
                                  index_t unit) {
    return state != nullptr ? state[b * hidden + unit] : T(0);
}

/// Blocks of some rows, a warp on each.
inline constexpr int rows_of_block = 8;
struct RowGrid {
    dim3 grid, block;
    bool possible;
    explicit RowGrid(index_t rows) noexcept
        : grid(static_cast<unsigned>(ceil_div(rows, rows_of_block))),
          block(fastnotes::cuda::warp_size, rows_of_block),
          possible(ceil_div(rows, rows_of_block) <= 0x7FFFFFFF) {}
};
__device__ inline index_t own_row() {
    return static_cast<index_t>(blockIdx.x) * rows_of_block + threadIdx.y;
}

} // namespace fastnotes::recurrent::cuda::detail
