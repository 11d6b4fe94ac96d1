/// Recurrent networks on a device: arrays in, results and cache into arrays made
/// before.
#include "bindings_cuda/arrays.hpp"
#include "bindings_cuda/rooms.hpp"
#include "recurrent/lstm.hpp"

#include <optional>

namespace fastnotes::cuda {
namespace {

using namespace pybind11::literals;
using recurrent::Candidate;
using recurrent::Schedule;
using recurrent::Sizes;
namespace twins = recurrent::cuda;

/// Checks that a pointer keeps vector accesses aligned; ours always does.
constexpr std::uintptr_t cache_alignment = 32;

const DeviceArray* array_or_null(const py::handle& object) {
    return object.is_none() ? nullptr : object.cast<const DeviceArray*>();
}

/// A matrix of exactly this shape.
template <class T>
T* matrix(const DeviceArray& array, index_t rows, index_t columns, const char* where,
          const char* name) {
    const auto view = as_view<T, 2>(array, where, name);
    const std::string text(name);
    check_extent(view.rows, rows, where, (text + " rows").c_str());
    check_extent(view.columns, columns, where, (text + " columns").c_str());
    return view.data;
}
template <class T>
T* optional_matrix(const py::handle& object, index_t rows, index_t columns,
                   const char* where, const char* name) {
    const DeviceArray* const array = array_or_null(object);
    return array == nullptr ? nullptr : matrix<T>(*array, rows, columns, where, name);
}

template <class T>
T* cube(const DeviceArray& array, index_t planes, index_t rows, index_t columns,
        const char* where, const char* name) {
    const auto view = as_view<T, 3>(array, where, name);
    const std::string text(name);
    check_extent(view.planes, planes, where, (text + " batch").c_str());
    check_extent(view.rows, rows, where, (text + " steps").c_str());
    check_extent(view.columns, columns, where, (text + " columns").c_str());
    return view.data;
}

template <class T>
T* vector_of(const DeviceArray& array, index_t size, const char* where,
             const char* name) {
    const auto view = as_view<T, 1>(array, where, name);
    check_extent(view.size, size, where, (std::string(name) + " size").c_str());
    return view.data;
}

template <class T>
T* optional_vector(const py::handle& object, index_t size, const char* where,
                   const char* name) {
    const DeviceArray* const array = array_or_null(object);
    return array == nullptr ? nullptr : vector_of<T>(*array, size, where, name);
}

/// The schedule of lengths on the host, which may be None.
Schedule read_schedule(const py::object& lengths, const Sizes& sizes,
                       const char* where) {
    if (lengths.is_none()) return twins::make_schedule(sizes, nullptr);
    const auto view =
        fastnotes::as_view<const std::int64_t, 1>(lengths, where, "lengths");
    check_extent(view.size, sizes.batch, where, "lengths size");
    for (const auto length : view) {
        if (length < 0 || length > sizes.time) {
            fail(where, "lengths from 0 to " + std::to_string(sizes.time),
                 std::to_string(length));
        }
    }
    return twins::make_schedule(sizes, view.data);
}

/// The arrays of a cache, from the tuple (x, gates, c, h, schedule).
template <class T>
twins::LSTMCache<T> read_cache(const py::tuple& arrays, const Sizes& sizes,
                               index_t rows, const char* where) {
    if (arrays.size() != 5) fail(where, "a cache of 5 arrays", "another tuple");
    const auto at = [&](std::size_t i) -> const DeviceArray& {
        const auto& array = arrays[i].cast<const DeviceArray&>();
        if (reinterpret_cast<std::uintptr_t>(array.data) % cache_alignment != 0) {
            fail(where, "a cache on 32 bytes", "an unaligned array");
        }
        return array;
    };
    const index_t hidden = sizes.hidden, all = sizes.batch + rows;
    return {matrix<T>(at(0), rows, sizes.input, where, "cache x"),
            cube<T>(at(1), rows, hidden, 4, where, "cache gates"),
            matrix<T>(at(2), all, hidden, where, "cache c"),
            matrix<T>(at(3), all, round_up(hidden, 4), where, "cache h"),
            vector_of<std::int64_t>(at(4), twins::schedule_size(sizes, rows), where,
                                    "cache schedule")};
}

template <class T>
void run_forward(twins::LSTMForward<T>& call, const Schedule& schedule, Stream stream,
                 const char* where) {
    const Scratch scratch(
        twins::lstm_forward_scratch<T>(call.sizes, schedule, call.cache != nullptr),
        stream, where);
    call.scratch = scratch.data<void>();
    run_kernel(where, [&] { return twins::lstm_forward<T>(call, schedule, stream); });
}

template <class T>
void forward(const DeviceArray& weight_ih, const DeviceArray& weight_hh,
             const py::object& bias, const DeviceArray& x, const py::object& h0,
             const py::object& c0, const py::object& lengths, bool tanh_candidate,
             const DeviceArray& h, const DeviceArray& h_last, const DeviceArray& c_last,
             const py::object& cache, std::uintptr_t stream) {
    constexpr const char* where = "recurrent.lstm_forward";
    const auto input = as_view<const T, 3>(x, where, "x");
    const index_t hidden = as_view<const T, 2>(weight_hh, where, "weight_hh").columns;
    const Sizes sizes{input.planes, input.rows, input.columns, hidden};
    const Schedule schedule = read_schedule(lengths, sizes, where);
    std::optional<twins::LSTMCache<T>> kept;
    if (!cache.is_none()) {
        kept =
            read_cache<T>(cache.cast<py::tuple>(), sizes, schedule.start.back(), where);
    }
    twins::LSTMForward<T> call{
        sizes,
        tanh_candidate ? Candidate::tanh : Candidate::sigmoid,
        !lengths.is_none(),
        matrix<const T>(weight_ih, 4 * hidden, sizes.input, where, "weight_ih"),
        matrix<const T>(weight_hh, 4 * hidden, hidden, where, "weight_hh"),
        optional_vector<const T>(bias, 4 * hidden, where, "bias"),
        input.data,
        optional_matrix<const T>(h0, sizes.batch, hidden, where, "h0"),
        optional_matrix<const T>(c0, sizes.batch, hidden, where, "c0"),
        cube<T>(h, sizes.batch, sizes.time, hidden, where, "h"),
        matrix<T>(h_last, sizes.batch, hidden, where, "h_last"),
        matrix<T>(c_last, sizes.batch, hidden, where, "c_last"),
        kept ? &*kept : nullptr,
        nullptr};
    run_forward(call, schedule, as_stream(stream), where);
}

/// One step: a forward pass of T = 1 whose h is its h_last.
template <class T>
void step(const DeviceArray& weight_ih, const DeviceArray& weight_hh,
          const py::object& bias, const DeviceArray& x, const DeviceArray& h,
          const DeviceArray& c, bool tanh_candidate, const DeviceArray& h_next,
          const DeviceArray& c_next, std::uintptr_t stream) {
    constexpr const char* where = "recurrent.lstm_step";
    const auto input = as_view<const T, 2>(x, where, "x");
    const index_t hidden = as_view<const T, 2>(weight_hh, where, "weight_hh").columns;
    const Sizes sizes{input.rows, 1, input.columns, hidden};
    const Schedule schedule = twins::make_schedule(sizes, nullptr);
    T* const h_out = matrix<T>(h_next, sizes.batch, hidden, where, "h_next");
    twins::LSTMForward<T> call{
        sizes,
        tanh_candidate ? Candidate::tanh : Candidate::sigmoid,
        false,
        matrix<const T>(weight_ih, 4 * hidden, sizes.input, where, "weight_ih"),
        matrix<const T>(weight_hh, 4 * hidden, hidden, where, "weight_hh"),
        optional_vector<const T>(bias, 4 * hidden, where, "bias"),
        input.data,
        matrix<const T>(h, sizes.batch, hidden, where, "h"),
        matrix<const T>(c, sizes.batch, hidden, where, "c"),
        h_out,
        h_out,
        matrix<T>(c_next, sizes.batch, hidden, where, "c_next"),
        nullptr,
        nullptr};
    run_forward(call, schedule, as_stream(stream), where);
}

/// weights: (weight_ih, weight_hh); gradients: (dx, dweight_ih, dweight_hh, dbias, dh0,
/// dc0), all overwritten.
template <class T>
void backward(const py::tuple& weights, const py::tuple& cache, index_t time,
              const py::object& lengths, bool tanh_candidate, const DeviceArray& dh,
              const py::object& dh_last, const py::object& dc_last,
              const py::tuple& gradients, std::uintptr_t stream) {
    constexpr const char* where = "recurrent.lstm_backward";
    if (weights.size() != 2 || gradients.size() != 6) {
        fail(where, "2 weights and 6 gradients", "other tuples");
    }
    const auto of = [](const py::tuple& arrays, std::size_t i) -> const DeviceArray& {
        return arrays[i].cast<const DeviceArray&>();
    };
    const auto weight_ih = as_view<const T, 2>(of(weights, 0), where, "weight_ih");
    const auto weight_hh = as_view<const T, 2>(of(weights, 1), where, "weight_hh");
    const index_t batch = as_view<const T, 3>(dh, where, "dh").planes;
    const index_t input = weight_ih.columns, hidden = weight_hh.columns;
    const index_t gates = 4 * hidden;
    check_extent(weight_ih.rows, gates, where, "weight_ih rows");
    check_extent(weight_hh.rows, gates, where, "weight_hh rows");
    const Sizes sizes{batch, time, input, hidden};
    const Schedule schedule = read_schedule(lengths, sizes, where);
    const auto kept = read_cache<T>(cache, sizes, schedule.start.back(), where);
    twins::LSTMBackward<T> call{
        sizes,
        tanh_candidate ? Candidate::tanh : Candidate::sigmoid,
        !lengths.is_none(),
        weight_ih.data,
        weight_hh.data,
        {kept.x, kept.gates, kept.c, kept.h, kept.schedule},
        cube<const T>(dh, batch, time, hidden, where, "dh"),
        optional_matrix<const T>(dh_last, batch, hidden, where, "dh_last"),
        optional_matrix<const T>(dc_last, batch, hidden, where, "dc_last"),
        cube<T>(of(gradients, 0), batch, time, input, where, "dx"),
        matrix<T>(of(gradients, 1), gates, input, where, "dweight_ih"),
        matrix<T>(of(gradients, 2), gates, hidden, where, "dweight_hh"),
        vector_of<T>(of(gradients, 3), gates, where, "dbias"),
        matrix<T>(of(gradients, 4), batch, hidden, where, "dh0"),
        matrix<T>(of(gradients, 5), batch, hidden, where, "dc0"),
        nullptr};
    const Scratch scratch(twins::lstm_backward_scratch<T>(sizes, schedule),
                          as_stream(stream), where);
    call.scratch = scratch.data<void>();
    run_kernel(where, [&] {
        return twins::lstm_backward<T>(call, schedule, as_stream(stream));
    });
}

} // namespace

void register_recurrent(py::module_& m) {
    auto room = m.def_submodule("recurrent", "Recurrent networks.");
    room.def(
        "lstm_forward",
        [](const DeviceArray& weight_ih, const DeviceArray& weight_hh,
           const py::object& bias, const DeviceArray& x, const py::object& h0,
           const py::object& c0, const py::object& lengths, bool tanh_candidate,
           const DeviceArray& h, const DeviceArray& h_last, const DeviceArray& c_last,
           const py::object& cache, std::uintptr_t stream) {
            constexpr const char* where = "recurrent.lstm_forward";
            const DeviceGuard guard(x.device, where);
            dispatch_real(x, where, "x", [&](auto zero) {
                forward<decltype(zero)>(weight_ih, weight_hh, bias, x, h0, c0, lengths,
                                        tanh_candidate, h, h_last, c_last, cache,
                                        stream);
            });
        },
        "weight_ih"_a, "weight_hh"_a, "bias"_a, "x"_a, "h0"_a, "c0"_a, "lengths"_a,
        "tanh_candidate"_a, "h"_a, "h_last"_a, "c_last"_a, "cache"_a, "stream"_a);
    room.def(
        "lstm_step",
        [](const DeviceArray& weight_ih, const DeviceArray& weight_hh,
           const py::object& bias, const DeviceArray& x, const DeviceArray& h,
           const DeviceArray& c, bool tanh_candidate, const DeviceArray& h_next,
           const DeviceArray& c_next, std::uintptr_t stream) {
            constexpr const char* where = "recurrent.lstm_step";
            const DeviceGuard guard(x.device, where);
            dispatch_real(x, where, "x", [&](auto zero) {
                step<decltype(zero)>(weight_ih, weight_hh, bias, x, h, c,
                                     tanh_candidate, h_next, c_next, stream);
            });
        },
        "weight_ih"_a, "weight_hh"_a, "bias"_a, "x"_a, "h"_a, "c"_a, "tanh_candidate"_a,
        "h_next"_a, "c_next"_a, "stream"_a);
    room.def(
        "lstm_backward",
        [](const py::tuple& weights, const py::tuple& cache, index_t time,
           const py::object& lengths, bool tanh_candidate, const DeviceArray& dh,
           const py::object& dh_last, const py::object& dc_last,
           const py::tuple& gradients, std::uintptr_t stream) {
            constexpr const char* where = "recurrent.lstm_backward";
            const DeviceGuard guard(dh.device, where);
            dispatch_real(dh, where, "dh", [&](auto zero) {
                backward<decltype(zero)>(weights, cache, time, lengths, tanh_candidate,
                                         dh, dh_last, dc_last, gradients, stream);
            });
        },
        "weights"_a, "cache"_a, "time"_a, "lengths"_a, "tanh_candidate"_a, "dh"_a,
        "dh_last"_a, "dc_last"_a, "gradients"_a, "stream"_a);
    room.def(
        "copy",
        [](const DeviceArray& from, const DeviceArray& to, std::uintptr_t stream) {
            constexpr const char* where = "recurrent.copy";
            const DeviceGuard guard(from.device, where);
            const index_t bytes = from.size() * from.item_size();
            check_extent(to.size() * to.item_size(), bytes, where, "bytes");
            check(cudaMemcpyAsync(to.data, from.data, static_cast<std::size_t>(bytes),
                                  cudaMemcpyDeviceToDevice, as_stream(stream)),
                  where);
        },
        "from_array"_a, "to_array"_a, "stream"_a);
}

} // namespace fastnotes::cuda
