/// Forward: all input products at once, then the recurrence.
#include "nn/gemm_device.hpp"
#include "recurrent/lstm_on_chip.cuh"
#include "recurrent/lstm_schedule.cuh"

#include <algorithm>

namespace fastnotes::recurrent::cuda {
namespace {

using namespace detail;
using fastnotes::cuda::warp_size;
using nn::cuda::Form;

/// Initial states in sorted order; those of empty sequences are the last ones too.
/// uniform: the schedule, filled here if all run for all steps, else null.
template <class T>
__global__ void begin_kernel(const ForwardRun<T> run, const T* h0, const T* c0,
                             std::int64_t* uniform) {
    const index_t row = own_row();
    if (uniform != nullptr) {
        fill_uniform(uniform, run.batch, run.time, row * warp_size + threadIdx.x);
    }
    if (row >= run.batch) return;
    const index_t b = uniform != nullptr ? row : run.schedule.order[row];
    const bool empty = (uniform != nullptr ? run.time : run.schedule.length[row]) == 0;
    for (index_t unit = threadIdx.x; unit < run.padded; unit += warp_size) {
        const bool real = unit < run.hidden;
        const T h = real ? state_or_zero(h0, b, run.hidden, unit) : T(0);
        run.states[row * run.padded + unit] = h;
        if (!real) continue;
        const T c = state_or_zero(c0, b, run.hidden, unit);
        run.c[row * run.hidden + unit] = c;
        if (empty) {
            run.h_last[b * run.hidden + unit] = h;
            run.c_last[b * run.hidden + unit] = c;
        }
    }
}

template <class T>
__global__ void pack_rows_kernel(const T* x, const std::int64_t* position, index_t rows,
                                 index_t columns, T* packed) {
    const index_t row = own_row();
    if (row >= rows) return;
    const T* const from = x + position[row] * columns;
    for (index_t k = threadIdx.x; k < columns; k += warp_size) {
        packed[row * columns + k] = from[k];
    }
}

/// The cells of one step, whose complete pre-activations are in gates.
template <class T>
__global__ void step_kernel(const ForwardRun<T> run, index_t t, index_t first_before,
                            index_t first, index_t active) {
    const index_t row = own_row();
    if (row >= active) return;
    const index_t b = run.schedule.order[row], length = run.schedule.length[row];
    const index_t c_row = run.keep && t > 0 ? run.batch + first_before + row : row;
    T* const state = run.states + run.row_now(t, first, row) * run.padded;
    for (index_t unit = threadIdx.x; unit < run.padded; unit += warp_size) {
        if (unit >= run.hidden) {
            state[unit] = T(0);
            continue;
        }
        const index_t at = (first + row) * run.hidden + unit;
        T& c = run.c[c_row * run.hidden + unit];
        const Cell<T> cell(activate(reinterpret_cast<const Gates<T>*>(run.gates)[at],
                                    run.tanh_candidate),
                           c);
        write_cell(run, cell, t, first, row, b, length, unit);
        if (!run.keep) c = cell.c;
        state[unit] = cell.h;
    }
}

template <class T> Room room_for(index_t hidden) noexcept {
    if (!std::is_same_v<T, float> || hidden == 0 || hidden > max_hidden) return {};
    return hidden <= few_units ? forward_room_of_few(hidden)
                               : forward_room_of_many(hidden);
}

/// Scratch, in the order in which it is handed out.
template <class T> struct Scratch {
    T *gates, *c, *states;
    std::int64_t* schedule;
    ExchangeMemory exchange;
    index_t size;

    Scratch(const Sizes& sizes, index_t rows, const Room& room, bool keep_cache,
            void* data) noexcept {
        Parts parts(data);
        exchange.counters = parts.take<unsigned>(counters_size(sizes.batch, room) / 4);
        exchange.data = parts.take<float>(
            sizes.hidden > few_units
                ? 0
                : forward_exchange_of_few(sizes.hidden, sizes.batch, room) / 4);
        if (!keep_cache) {
            gates = parts.take<T>(4 * rows * sizes.hidden);
            c = parts.take<T>(sizes.batch * sizes.hidden);
            states = parts.take<T>(2 * sizes.batch * padded(sizes.hidden));
            schedule = parts.take<std::int64_t>(schedule_size(sizes, rows));
        }
        size = parts.size();
    }
};

template <class T>
ForwardRun<T> prepare(const LSTMForward<T>& call, const Scratch<T>& scratch,
                      index_t rows) noexcept {
    const bool keep = call.cache != nullptr;
    const auto* const schedule = keep ? call.cache->schedule : scratch.schedule;
    return {call.sizes.batch,
            call.sizes.time,
            call.sizes.hidden,
            padded(call.sizes.hidden),
            call.candidate == Candidate::tanh,
            keep,
            call.weight_hh,
            DeviceSchedule(schedule, call.sizes, rows),
            keep ? call.cache->gates : scratch.gates,
            keep ? call.cache->c : scratch.c,
            keep ? call.cache->h : scratch.states,
            call.h,
            call.h_last,
            call.c_last};
}

/// gates = bias + weight_ih x of all packed rows; keeps x if there is a cache.
template <class T>
Status project(const LSTMForward<T>& call, const ForwardRun<T>& run, index_t rows,
               Stream stream) noexcept {
    const index_t input = call.sizes.input, hidden = call.sizes.hidden;
    nn::cuda::Operand<T> x{call.x, input, {run.schedule.position}};
    if (call.cache != nullptr && rows > 0 && input > 0) {
        const RowGrid launch(rows);
        if (!launch.possible) return Status{cudaErrorInvalidValue};
        pack_rows_kernel<<<launch.grid, launch.block, 0, stream>>>(
            call.x, run.schedule.position, rows, input, call.cache->x);
        const Status status = launched();
        if (!status.ok()) return status;
        x = {call.cache->x, input, {}};
    }
    return nn::cuda::multiply<T>({Form::nt,
                                  rows,
                                  4 * hidden,
                                  input,
                                  x,
                                  {call.weight_ih, input, {nullptr, hidden}},
                                  call.bias,
                                  run.gates,
                                  4 * hidden,
                                  {},
                                  false,
                                  nullptr},
                                 stream);
}

/// The recurrence where it does not fit on the chip: two launches a step.
template <class T>
Status run_steps(const ForwardRun<T>& run, const recurrent::Schedule& schedule,
                 Stream stream) noexcept {
    const index_t hidden = run.hidden;
    for (index_t t = 0; t < schedule.steps; ++t) {
        const index_t active = schedule.active(t), first = schedule.first(t);
        const index_t before = t > 0 ? schedule.first(t - 1) : 0;
        const index_t row = !run.keep ? (t % 2) * run.batch
                            : t == 0  ? 0
                                      : run.batch + before;
        const Status status =
            nn::cuda::multiply<T>({Form::nt,
                                   active,
                                   4 * hidden,
                                   hidden,
                                   {run.states + row * run.padded, run.padded, {}},
                                   {run.weight_hh, hidden, {nullptr, hidden}},
                                   nullptr,
                                   run.gates + first * 4 * hidden,
                                   4 * hidden,
                                   {},
                                   true,
                                   nullptr},
                                  stream);
        if (!status.ok()) return status;
        const RowGrid launch(active);
        if (!launch.possible) return Status{cudaErrorInvalidValue};
        step_kernel<<<launch.grid, launch.block, 0, stream>>>(run, t, before, first,
                                                              active);
        const Status stepped = launched();
        if (!stepped.ok()) return stepped;
    }
    return {};
}

/// Fills the schedule and the initial states.
template <class T>
Status begin(const LSTMForward<T>& call, const ForwardRun<T>& run,
             std::int64_t* schedule, const recurrent::Schedule& host,
             Stream stream) noexcept {
    index_t rows = run.batch; // of the launch
    if (call.ragged) {
        const Status status = fill_schedule(schedule, call.sizes, host, stream);
        if (!status.ok()) return status;
    } else {
        const index_t items = std::max(run.time + 1, run.batch * run.time);
        rows = std::max(rows, ceil_div(items, warp_size));
    }
    const RowGrid launch(rows);
    if (!launch.possible) return Status{cudaErrorInvalidValue};
    begin_kernel<<<launch.grid, launch.block, 0, stream>>>(
        run, call.h0, call.c0, call.ragged ? nullptr : schedule);
    const Status status = launched();
    if (!status.ok() || !call.ragged) return status;
    return clear_padding(call.h, run.hidden, call.sizes, run.schedule, stream);
}

} // namespace

template <class T>
index_t lstm_forward_scratch(const Sizes& sizes, const recurrent::Schedule& schedule,
                             bool keep_cache) noexcept {
    return Scratch<T>(sizes, total_rows(schedule), room_for<T>(sizes.hidden),
                      keep_cache, nullptr)
        .size;
}

template <class T>
Status lstm_forward(const LSTMForward<T>& call, const recurrent::Schedule& schedule,
                    Stream stream) noexcept {
    if (call.sizes.batch == 0) return {};
    const index_t rows = total_rows(schedule);
    const Room room = room_for<T>(call.sizes.hidden);
    const Scratch<T> scratch(call.sizes, rows, room, call.cache != nullptr,
                             call.scratch);
    const ForwardRun<T> run = prepare(call, scratch, rows);
    Status status = begin(
        call, run, call.cache != nullptr ? call.cache->schedule : scratch.schedule,
        schedule, stream);
    if (!status.ok() || rows == 0 || call.sizes.hidden == 0) return status;
    status = project(call, run, rows, stream);
    if (!status.ok()) return status;
    if constexpr (std::is_same_v<T, float>) {
        if (room.slices > 0) {
            const auto recur = run.hidden <= few_units ? forward_few : forward_many;
            return recur(run, room, scratch.exchange, stream);
        }
    }
    return run_steps(run, schedule, stream);
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t lstm_forward_scratch<T>(const Sizes&, const recurrent::Schedule&, \
                                             bool) noexcept;                           \
    template Status lstm_forward<T>(const LSTMForward<T>&, const recurrent::Schedule&, \
                                    Stream) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent::cuda
