/// Backward: the recurrence leaves the gradients of all gates, then four products over
/// all steps.
#include "nn/gemm_device.hpp"
#include "recurrent/lstm_on_chip.cuh"
#include "recurrent/lstm_schedule.cuh"

#include <algorithm>

namespace fastnotes::recurrent::cuda {
namespace {

using namespace detail;
using fastnotes::cuda::warp_size;
using nn::cuda::Form;
using nn::cuda::Rows;

/// Gradients of the gates of one step; dh [B, H] is what the step after it sent.
template <class T>
__global__ void step_kernel(const BackwardRun<T> run, index_t t, index_t first_before,
                            index_t first, index_t active, const T* dh, T* dc) {
    const index_t row = own_row();
    if (row >= active) return;
    const index_t b = run.schedule.order[row];
    const bool last = run.schedule.length[row] == t + 1;
    for (index_t unit = threadIdx.x; unit < run.hidden; unit += warp_size) {
        const index_t at = row * run.hidden + unit;
        const auto trace = read_trace(run, t, first, first_before, row, b, unit);
        const T dh_later =
            last ? state_or_zero(run.dh_last, b, run.hidden, unit) : dh[at];
        T dc_here = last ? state_or_zero(run.dc_last, b, run.hidden, unit) : dc[at];
        reinterpret_cast<Gates<T>*>(run.da)[first * run.hidden + at] =
            CellSlopes<T>(trace, run.tanh_candidate).gradients(dh_later, dc_here);
        dc[at] = dc_here;
    }
}

/// Gradients of the initial states in the caller's order.
template <class T>
__global__ void finish_kernel(const BackwardRun<T> run, const T* dh, const T* dc) {
    const index_t row = own_row();
    if (row >= run.batch) return;
    const index_t b = run.schedule.order[row];
    const bool empty = run.schedule.length[row] == 0;
    for (index_t unit = threadIdx.x; unit < run.hidden; unit += warp_size) {
        const index_t at = row * run.hidden + unit, out = b * run.hidden + unit;
        run.dh0[out] = empty ? state_or_zero(run.dh_last, b, run.hidden, unit) : dh[at];
        run.dc0[out] = empty ? state_or_zero(run.dc_last, b, run.hidden, unit) : dc[at];
    }
}

template <class T> Room room_for(index_t hidden) noexcept {
    if (!std::is_same_v<T, float> || hidden == 0 || hidden > max_hidden) return {};
    return hidden <= few_units ? backward_room_of_few(hidden)
                               : backward_room_of_many(hidden);
}

index_t exchange_size(index_t hidden, index_t batch, const Room& room) noexcept {
    return hidden <= few_units ? backward_exchange_of_few(hidden, batch, room)
                               : backward_exchange_of_many(hidden, batch, room);
}

/// Scratch, in the order in which it is handed out.
template <class T> struct Scratch {
    T *da, *dh, *dc, *sums;
    ExchangeMemory exchange;
    index_t size;

    Scratch(const Sizes& sizes, index_t rows, const Room& room, void* data) noexcept {
        Parts parts(data);
        const index_t gates = 4 * sizes.hidden;
        const auto sums_of = [&](index_t columns) {
            return nn::cuda::multiply_scratch(gates, columns, rows);
        };
        da = parts.take<T>(rows * gates);
        sums = parts.take<T>(std::max({sums_of(sizes.input), sums_of(sizes.hidden),
                                       nn::cuda::multiply_scratch(1, gates, rows)}));
        if (room.slices > 0) {
            exchange.counters =
                parts.take<unsigned>(counters_size(sizes.batch, room) / 4);
            exchange.data =
                parts.take<float>(exchange_size(sizes.hidden, sizes.batch, room) / 4);
        } else {
            dh = parts.take<T>(sizes.batch * sizes.hidden);
            dc = parts.take<T>(sizes.batch * sizes.hidden);
        }
        size = parts.size();
    }
};

template <class T>
BackwardRun<T> prepare(const LSTMBackward<T>& call, T* da, index_t rows) noexcept {
    return {call.sizes.batch,  call.sizes.time,
            call.sizes.hidden, call.candidate == Candidate::tanh,
            call.weight_hh,    DeviceSchedule(call.cache.schedule, call.sizes, rows),
            call.cache.gates,  call.cache.c,
            call.dh,           call.dh_last,
            call.dc_last,      da,
            call.dh0,          call.dc0};
}

/// The recurrence where it does not fit on the chip: two launches a step.
template <class T>
Status run_steps(const BackwardRun<T>& run, const recurrent::Schedule& schedule, T* dh,
                 T* dc, Stream stream) noexcept {
    const index_t hidden = run.hidden;
    for (index_t t = schedule.steps; t-- > 0;) {
        const index_t active = schedule.active(t), first = schedule.first(t);
        const RowGrid launch(active);
        if (!launch.possible) return Status{cudaErrorInvalidValue};
        step_kernel<<<launch.grid, launch.block, 0, stream>>>(
            run, t, t > 0 ? schedule.first(t - 1) : 0, first, active, dh, dc);
        Status status = launched();
        if (!status.ok()) return status;
        status = nn::cuda::multiply<T>({Form::nn,
                                        active,
                                        hidden,
                                        4 * hidden,
                                        {run.da + first * 4 * hidden, 4 * hidden, {}},
                                        {run.weight_hh, hidden, {nullptr, hidden}},
                                        nullptr,
                                        dh,
                                        hidden,
                                        {},
                                        false,
                                        nullptr},
                                       stream);
        if (!status.ok()) return status;
    }
    const RowGrid launch(run.batch);
    if (!launch.possible) return Status{cudaErrorInvalidValue};
    finish_kernel<<<launch.grid, launch.block, 0, stream>>>(run, dh, dc);
    return launched();
}

/// da of all packed rows, dh0 and dc0.
template <class T>
Status recur(const BackwardRun<T>& run, const recurrent::Schedule& schedule,
             const Room& room, const Scratch<T>& scratch, Stream stream) noexcept {
    if (run.batch == 0 || run.hidden == 0) return {};
    if constexpr (std::is_same_v<T, float>) {
        if (room.slices > 0) {
            const auto recur_on_chip =
                run.hidden <= few_units ? backward_few : backward_many;
            return recur_on_chip(run, room, scratch.exchange, stream);
        }
    }
    return run_steps(run, schedule, scratch.dh, scratch.dc, stream);
}

template <class T>
Status input_gradients(const LSTMBackward<T>& call, const BackwardRun<T>& run,
                       index_t rows, Stream stream) noexcept {
    const index_t input = call.sizes.input, gates = 4 * call.sizes.hidden;
    const Status status =
        call.ragged ? clear_padding(call.dx, input, call.sizes, run.schedule, stream)
                    : Status{};
    if (!status.ok()) return status;
    return nn::cuda::multiply<T>({Form::nn,
                                  rows,
                                  input,
                                  gates,
                                  {run.da, gates, {}},
                                  {call.weight_ih, input, {nullptr, call.sizes.hidden}},
                                  nullptr,
                                  call.dx,
                                  input,
                                  {run.schedule.position},
                                  false,
                                  nullptr},
                                 stream);
}

template <class T>
Status weight_gradients(const LSTMBackward<T>& call, const BackwardRun<T>& run,
                        index_t rows, T* sums, Stream stream) noexcept {
    const index_t hidden = call.sizes.hidden, gates = 4 * hidden;
    const Rows stacked{nullptr, hidden};
    const auto product = [&](const nn::cuda::Operand<T>& right, index_t columns,
                             T* out) {
        return nn::cuda::multiply<T>({Form::tn,
                                      gates,
                                      columns,
                                      rows,
                                      {run.da, gates, {}},
                                      right,
                                      nullptr,
                                      out,
                                      columns,
                                      stacked,
                                      false,
                                      sums},
                                     stream);
    };
    const index_t input = call.sizes.input;
    Status status = product({call.cache.x, input, {}}, input, call.dweight_ih);
    if (!status.ok()) return status;
    status = product({call.cache.h, padded(hidden), {run.schedule.before}}, hidden,
                     call.dweight_hh);
    if (!status.ok()) return status;
    return nn::cuda::column_sums<T>(run.da, rows, gates, call.dbias, stacked, sums,
                                    stream);
}

} // namespace

template <class T>
index_t lstm_backward_scratch(const Sizes& sizes,
                              const recurrent::Schedule& schedule) noexcept {
    return Scratch<T>(sizes, total_rows(schedule), room_for<T>(sizes.hidden), nullptr)
        .size;
}

template <class T>
Status lstm_backward(const LSTMBackward<T>& call, const recurrent::Schedule& schedule,
                     Stream stream) noexcept {
    const index_t rows = total_rows(schedule);
    const Room room = room_for<T>(call.sizes.hidden);
    const Scratch<T> scratch(call.sizes, rows, room, call.scratch);
    const BackwardRun<T> run = prepare(call, scratch.da, rows);
    Status status = recur(run, schedule, room, scratch, stream);
    if (!status.ok()) return status;
    status = input_gradients(call, run, rows, stream);
    if (!status.ok()) return status;
    return weight_gradients(call, run, rows, scratch.sums, stream);
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t lstm_backward_scratch<T>(const Sizes&,                            \
                                              const recurrent::Schedule&) noexcept;    \
    template Status lstm_backward<T>(const LSTMBackward<T>&,                           \
                                     const recurrent::Schedule&, Stream) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent::cuda
