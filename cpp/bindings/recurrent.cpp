/// Recurrent networks: packed weights and caches as opaque objects, arrays in and out.
#include "bindings/arrays.hpp"
#include "bindings/rooms.hpp"
#include "bindings/workspace.hpp"
#include "recurrent/lstm.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <variant>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
using recurrent::Candidate;
using recurrent::LSTMSizes;
using recurrent::Schedule;

template <class T> struct PackedWeights {
    index_t input, hidden;
    Candidate candidate;
    Workspace<T> weight_ih, weight_hh, bias;
    Workspace<T> backward_ih, backward_hh; // null unless packed for training
    bool for_training = false;

    recurrent::LSTMPacked<T> view() const noexcept {
        return {weight_ih.data(), weight_hh.data(), bias.data()};
    }
};
template <class T> using SharedWeights = std::shared_ptr<const PackedWeights<T>>;

/// Weights in the kernels' layout; never changed once made.
struct LSTMWeights {
    std::variant<SharedWeights<float>, SharedWeights<double>> packed;
};

template <class T> struct CacheData {
    SharedWeights<T> weights;
    LSTMSizes sizes;
    Schedule schedule;
    Workspace<T> x, gates, c, h0;
};

/// What a forward pass leaves for backward; only ever read after that.
struct LSTMCache {
    std::variant<std::unique_ptr<CacheData<float>>, std::unique_ptr<CacheData<double>>>
        data;
};

template <class T> const T* data_or_null(const std::optional<View2<const T>>& view) {
    return view ? view->data : nullptr;
}

/// A [rows, columns] input that may be None.
template <class T>
std::optional<View2<const T>> optional_view(py::handle object, const char* where,
                                            const char* name, index_t rows,
                                            index_t columns) {
    if (object.is_none()) return std::nullopt;
    const auto view = as_view<const T, 2>(object, where, name);
    const std::string text(name);
    check_extent(view.rows, rows, where, (text + " rows").c_str());
    check_extent(view.columns, columns, where, (text + " columns").c_str());
    return view;
}

template <class T>
SharedWeights<T> pack(py::handle weight_ih, py::handle weight_hh, py::handle bias,
                      Candidate candidate, bool backward, int n_threads) {
    constexpr const char* where = "recurrent.pack_lstm_weights";
    const auto ih = as_view<const T, 2>(weight_ih, where, "weight_ih");
    const auto hh = as_view<const T, 2>(weight_hh, where, "weight_hh");
    const index_t input = ih.columns, hidden = hh.columns;
    check_extent(ih.rows, 4 * hidden, where, "weight_ih rows");
    check_extent(hh.rows, 4 * hidden, where, "weight_hh rows");
    const T* bias_data = nullptr;
    if (!bias.is_none()) {
        const auto view = as_view<const T, 1>(bias, where, "bias");
        check_extent(view.size, 4 * hidden, where, "bias size");
        bias_data = view.data;
    }
    check_threads(n_threads, where);

    auto out = std::make_shared<PackedWeights<T>>();
    out->input = input;
    out->hidden = hidden;
    out->candidate = candidate;
    out->for_training = backward;
    const auto forward_size = [&](index_t columns) {
        return recurrent::packed_forward_size<T>(hidden, columns);
    };
    const auto backward_size = [&](index_t columns) {
        return recurrent::packed_backward_size<T>(hidden, columns);
    };
    out->weight_ih = Workspace<T>(forward_size(input));
    out->weight_hh = Workspace<T>(forward_size(hidden));
    out->bias = Workspace<T>(recurrent::packed_bias_size<T>(hidden));
    if (backward) {
        out->backward_ih = Workspace<T>(backward_size(input));
        out->backward_hh = Workspace<T>(backward_size(hidden));
    }
    const recurrent::LSTMPacking<T> call{ih,
                                         hh,
                                         bias_data,
                                         out->weight_ih.data(),
                                         out->weight_hh.data(),
                                         out->bias.data(),
                                         out->backward_ih.data(),
                                         out->backward_hh.data()};
    {
        const py::gil_scoped_release nogil;
        recurrent::lstm_pack<T>(call, n_threads);
    }
    return out;
}

LSTMWeights pack_lstm_weights(const py::array& weight_ih, const py::array& weight_hh,
                              const py::object& bias, bool tanh_candidate,
                              bool backward, int n_threads) {
    const auto candidate = tanh_candidate ? Candidate::tanh : Candidate::sigmoid;
    return dispatch_real(
        weight_ih, "recurrent.pack_lstm_weights", "weight_ih", [&](auto zero) {
            return LSTMWeights{pack<decltype(zero)>(weight_ih, weight_hh, bias,
                                                    candidate, backward, n_threads)};
        });
}

const std::int64_t* checked_lengths(const py::object& lengths, const LSTMSizes& sizes,
                                    const char* where) {
    if (lengths.is_none()) return nullptr;
    const auto view = as_view<const std::int64_t, 1>(lengths, where, "lengths");
    check_extent(view.size, sizes.batch, where, "lengths size");
    for (const auto length : view) {
        if (length < 0 || length > sizes.time) {
            fail(where, "lengths from 0 to " + std::to_string(sizes.time),
                 std::to_string(length));
        }
    }
    return view.data;
}

template <class T>
std::unique_ptr<CacheData<T>> make_cache(const SharedWeights<T>& weights,
                                         const LSTMSizes& sizes, Schedule schedule) {
    const index_t rows = schedule.first(schedule.steps);
    const index_t gates = recurrent::packed_bias_size<T>(sizes.hidden);
    auto cache = std::make_unique<CacheData<T>>();
    cache->weights = weights;
    cache->sizes = sizes;
    cache->schedule = std::move(schedule);
    cache->x = Workspace<T>(rows * recurrent::lstm_row_stride<T>(sizes.input));
    cache->gates = Workspace<T>(rows * gates);
    cache->c = Workspace<T>((sizes.batch + rows) * (gates / 4));
    cache->h0 = Workspace<T>(sizes.batch * (gates / 4));
    return cache;
}

/// Every result is empty. No schedule: it would count sequences that hold nothing, of
/// which there may be more than memory has room for.
template <class T>
py::tuple forward_without_units(const SharedWeights<T>& weights, const LSTMSizes& sizes,
                                bool keep_cache) {
    py::object kept = py::none();
    if (keep_cache) {
        auto cache = std::make_unique<CacheData<T>>();
        cache->weights = weights;
        cache->sizes = sizes;
        kept = py::cast(LSTMCache{std::move(cache)});
    }
    return py::make_tuple(empty<T>(sizes.batch, sizes.time, 0),
                          empty<T>(sizes.batch, 0), empty<T>(sizes.batch, 0),
                          std::move(kept));
}

template <class T>
py::tuple forward(const SharedWeights<T>& weights, py::handle x, py::handle h0,
                  py::handle c0, const py::object& lengths, bool keep_cache,
                  int n_threads) {
    constexpr const char* where = "recurrent.lstm_forward";
    const auto input = as_view<const T, 3>(x, where, "x");
    const LSTMSizes sizes{input.planes, input.rows, weights->input, weights->hidden};
    check_extent(input.columns, sizes.input, where, "x columns");
    const auto h_begin = optional_view<T>(h0, where, "h0", sizes.batch, sizes.hidden);
    const auto c_begin = optional_view<T>(c0, where, "c0", sizes.batch, sizes.hidden);
    check_threads(n_threads, where);
    if (keep_cache && !weights->for_training) {
        fail(where, "weights packed for backward", "weights packed for inference");
    }
    const std::int64_t* const steps = checked_lengths(lengths, sizes, where);
    if (sizes.hidden == 0) return forward_without_units<T>(weights, sizes, keep_cache);
    Schedule schedule = recurrent::make_schedule(sizes, steps);

    auto h = pooled_empty<T>(sizes.batch, sizes.time, sizes.hidden);
    auto h_last = pooled_empty<T>(sizes.batch, sizes.hidden);
    auto c_last = pooled_empty<T>(sizes.batch, sizes.hidden);
    const Workspace<T> scratch(
        recurrent::lstm_forward_scratch<T>(sizes, schedule, keep_cache));
    std::unique_ptr<CacheData<T>> cache;
    recurrent::LSTMCache<T> cache_view{};
    const Schedule* running = &schedule;
    if (keep_cache) {
        cache = make_cache<T>(weights, sizes, std::move(schedule));
        cache_view = {cache->x.data(), cache->gates.data(), cache->c.data(),
                      cache->h0.data()};
        running = &cache->schedule;
    }
    const recurrent::LSTMForward<T> call{sizes,
                                         weights->candidate,
                                         weights->view(),
                                         input.data,
                                         data_or_null(h_begin),
                                         data_or_null(c_begin),
                                         h.mutable_data(),
                                         h_last.mutable_data(),
                                         c_last.mutable_data(),
                                         keep_cache ? &cache_view : nullptr,
                                         scratch.data()};
    {
        const py::gil_scoped_release nogil;
        recurrent::lstm_forward<T>(call, *running, n_threads);
    }
    py::object kept = py::none();
    if (keep_cache) kept = py::cast(LSTMCache{std::move(cache)});
    return py::make_tuple(std::move(h), std::move(h_last), std::move(c_last),
                          std::move(kept));
}

template <class T>
void step(const PackedWeights<T>& weights, py::handle x, py::handle h, py::handle c,
          py::handle h_next, py::handle c_next) {
    constexpr const char* where = "recurrent.LSTMWeights.step";
    const auto input = as_view<const T, 2>(x, where, "x");
    const auto h_in = as_view<const T, 2>(h, where, "h");
    const auto c_in = as_view<const T, 2>(c, where, "c");
    const auto h_out = as_view<T, 2>(h_next, where, "out");
    const auto c_out = as_view<T, 2>(c_next, where, "out");
    check_extent(input.columns, weights.input, where, "x columns");
    const auto check_state = [&](View2<const T> state, const char* rows,
                                 const char* columns) {
        check_extent(state.rows, input.rows, where, rows);
        check_extent(state.columns, weights.hidden, where, columns);
    };
    check_state(h_in, "h rows", "h columns");
    check_state(c_in, "c rows", "c columns");
    for (const auto& out : {h_out, c_out}) {
        check_state(out, "out rows", "out columns");
        for (const auto& in : {input, h_in, c_in}) check_apart(out, in, where, "out");
    }
    check_apart(h_out, c_out, where, "out");
    const LSTMSizes sizes{input.rows, 1, weights.input, weights.hidden};
    const py::gil_scoped_release nogil;
    recurrent::lstm_step<T>(sizes, weights.candidate, weights.view(), input.data,
                            h_in.data, c_in.data, h_out.data, c_out.data);
}

template <class T>
py::tuple backward(const CacheData<T>& cache, py::handle dh, py::handle dh_last,
                   py::handle dc_last, int n_threads) {
    constexpr const char* where = "recurrent.lstm_backward";
    const LSTMSizes& sizes = cache.sizes;
    const auto dh_view = as_view<const T, 3>(dh, where, "dh");
    check_extent(dh_view.planes, sizes.batch, where, "dh batch");
    check_extent(dh_view.rows, sizes.time, where, "dh steps");
    check_extent(dh_view.columns, sizes.hidden, where, "dh columns");
    const auto dh_end =
        optional_view<T>(dh_last, where, "dh_last", sizes.batch, sizes.hidden);
    const auto dc_end =
        optional_view<T>(dc_last, where, "dc_last", sizes.batch, sizes.hidden);
    check_threads(n_threads, where);

    auto dx = pooled_empty<T>(sizes.batch, sizes.time, sizes.input);
    auto dweight_ih = pooled_empty<T>(4 * sizes.hidden, sizes.input);
    auto dweight_hh = pooled_empty<T>(4 * sizes.hidden, sizes.hidden);
    auto dbias = pooled_empty<T>(4 * sizes.hidden);
    auto dh0 = pooled_empty<T>(sizes.batch, sizes.hidden);
    auto dc0 = pooled_empty<T>(sizes.batch, sizes.hidden);
    if (sizes.hidden == 0) { // dx alone has elements, and nothing flows into it
        std::fill_n(dx.mutable_data(), dx.size(), T(0));
        return py::make_tuple(std::move(dx), std::move(dweight_ih),
                              std::move(dweight_hh), std::move(dbias), std::move(dh0),
                              std::move(dc0));
    }
    const Workspace<T> scratch(
        recurrent::lstm_backward_scratch<T>(sizes, cache.schedule, n_threads));
    const recurrent::LSTMBackward<T> call{
        sizes,
        cache.weights->candidate,
        cache.weights->backward_ih.data(),
        cache.weights->backward_hh.data(),
        {cache.x.data(), cache.gates.data(), cache.c.data(), cache.h0.data()},
        dh_view.data,
        data_or_null(dh_end),
        data_or_null(dc_end),
        dx.mutable_data(),
        dweight_ih.mutable_data(),
        dweight_hh.mutable_data(),
        dbias.mutable_data(),
        dh0.mutable_data(),
        dc0.mutable_data(),
        scratch.data()};
    {
        const py::gil_scoped_release nogil;
        recurrent::lstm_backward<T>(call, cache.schedule, n_threads);
    }
    return py::make_tuple(std::move(dx), std::move(dweight_ih), std::move(dweight_hh),
                          std::move(dbias), std::move(dh0), std::move(dc0));
}

const char* dtype_name(const CacheData<float>&) { return "float32"; }
const char* dtype_name(const CacheData<double>&) { return "float64"; }

} // namespace

void register_recurrent(py::module_& m) {
    auto room = m.def_submodule("recurrent", "Recurrent networks.");

    py::class_<LSTMWeights>(room, "LSTMWeights", py::is_final());
    py::class_<LSTMCache>(room, "LSTMCache", py::is_final())
        .def_property_readonly("sizes",
                               [](const LSTMCache& self) {
                                   return std::visit(
                                       [](const auto& data) {
                                           const LSTMSizes& sizes = data->sizes;
                                           return py::make_tuple(
                                               sizes.batch, sizes.time, sizes.input,
                                               sizes.hidden);
                                       },
                                       self.data);
                               })
        .def_property_readonly("dtype", [](const LSTMCache& self) {
            return std::visit([](const auto& data) { return dtype_name(*data); },
                              self.data);
        });

    room.def("pack_lstm_weights", &pack_lstm_weights, "weight_ih"_a, "weight_hh"_a,
             "bias"_a, "tanh_candidate"_a, "backward"_a, "n_threads"_a);
    room.def(
        "lstm_forward",
        [](const LSTMWeights& weights, const py::array& x, const py::object& h0,
           const py::object& c0, const py::object& lengths, bool keep_cache,
           int n_threads) {
            return std::visit(
                [&](const auto& packed) {
                    return forward(packed, x, h0, c0, lengths, keep_cache, n_threads);
                },
                weights.packed);
        },
        "weights"_a, "x"_a, "h0"_a, "c0"_a, "lengths"_a, "keep_cache"_a, "n_threads"_a);
    room.def(
        "lstm_step",
        [](const LSTMWeights& weights, const py::array& x, const py::array& h,
           const py::array& c, const py::object& h_next, const py::object& c_next) {
            std::visit(
                [&](const auto& packed) { step(*packed, x, h, c, h_next, c_next); },
                weights.packed);
        },
        "weights"_a, "x"_a, "h"_a, "c"_a, "h_next"_a, "c_next"_a);
    room.def(
        "lstm_backward",
        [](const LSTMCache& cache, const py::array& dh, const py::object& dh_last,
           const py::object& dc_last, int n_threads) {
            return std::visit(
                [&](const auto& data) {
                    return backward(*data, dh, dh_last, dc_last, n_threads);
                },
                cache.data);
        },
        "cache"_a, "dh"_a, "dh_last"_a, "dc_last"_a, "n_threads"_a);
}

} // namespace fastnotes
