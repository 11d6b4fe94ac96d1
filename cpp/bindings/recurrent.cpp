/// Recurrent networks: packed weights and caches as opaque objects, arrays in and out.
#include "bindings/recurrent_objects.hpp"
#include "bindings/rooms.hpp"

#include <algorithm>

namespace fastnotes {
namespace {

using namespace pybind11::literals;
// ---------------------------------------------------------------- forward

const std::int64_t* checked_lengths(const py::object& lengths, const Sizes& sizes,
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

/// The parts that stay of each unit, a [B, T, H] input that may be None.
template <class T>
void read_zoneout(py::handle object, const Sizes& sizes, index_t columns,
                  const char* where, const char* name, recurrent::Zoneout<T>& zoneout) {
    if (object.is_none()) return;
    const auto view = as_view<const T, 3>(object, where, name);
    const std::string text(name);
    check_extent(view.planes, sizes.batch, where, (text + " batch").c_str());
    check_extent(view.rows, sizes.time, where, (text + " steps").c_str());
    check_extent(view.columns, columns, where, (text + " columns").c_str());
    zoneout.parts = view.data;
}

/// What the backward pass reads of it, apart from the caller's array.
template <class T>
void keep_copy(index_t n, recurrent::Zoneout<T>& zoneout, Workspace<T>& copy) {
    if (zoneout.parts == nullptr) return;
    copy = Workspace<T>(n);
    std::copy_n(zoneout.parts, n, copy.data());
    zoneout.parts = copy.data();
}

template <class Cell, class T = typename Cell::Value>
std::unique_ptr<CacheData<T>> make_cache(const SharedWeights<T>& weights,
                                         const Sizes& sizes, Schedule schedule,
                                         const recurrent::Parts<T>& parts) {
    const index_t rows = schedule.first(schedule.steps);
    const index_t states = recurrent::state_width<Cell>(sizes.hidden);
    auto cache = std::make_unique<CacheData<T>>();
    cache->weights = weights;
    cache->sizes = sizes;
    cache->schedule = std::move(schedule);
    cache->x = Workspace<T>(rows * recurrent::row_stride<T>(sizes.input));
    cache->gates = Workspace<T>(rows * recurrent::gates_width<Cell>(sizes.hidden));
    if (Cell::has_c) cache->c = Workspace<T>((sizes.batch + rows) * states);
    const index_t outputs = recurrent::output_width<Cell>(sizes);
    cache->h0 = Workspace<T>(sizes.batch * outputs);
    cache->parts = parts;
    if (cache->keeps_h()) cache->h = Workspace<T>(rows * outputs);
    if (sizes.normalised) {
        cache->ih_hat = Workspace<T>(rows * weights->gates_width);
        cache->hh_hat = Workspace<T>(rows * weights->gates_width);
        cache->moments = Workspace<T>(rows * 4);
    }
    const index_t places = sizes.batch * sizes.time;
    keep_copy(places * sizes.output(), cache->parts.zoneout_h, cache->zoneout_h);
    keep_copy(places * sizes.hidden, cache->parts.zoneout_c, cache->zoneout_c);
    return cache;
}

/// Every result is empty. No schedule: it would count sequences that hold nothing, of
/// which there may be more than memory has room for.
template <template <class> class Cell, class T>
py::tuple forward_without_units(const SharedWeights<T>& weights, const Sizes& sizes,
                                bool keep_cache) {
    py::object kept = py::none();
    if (keep_cache) {
        auto cache = std::make_unique<CacheData<T>>();
        cache->weights = weights;
        cache->sizes = sizes;
        kept = py::cast(Cache<Cell>{std::move(cache)});
    }
    return py::make_tuple(empty<T>(sizes.batch, sizes.time, 0),
                          empty<T>(sizes.batch, 0), new_c<Cell<T>>(sizes.batch, 0),
                          std::move(kept));
}

/// The pass that the weights ask for.
template <class Cell, class T = typename Cell::Value>
index_t scratch_of_forward(const Sizes& sizes, const Schedule& schedule,
                           bool keep_cache) {
    return sizes.normalised
               ? recurrent::layer_norm_forward_scratch<T>(sizes, schedule, keep_cache)
               : recurrent::forward_scratch<Cell>(sizes, schedule, keep_cache);
}
template <class Cell, class T = typename Cell::Value>
void run_forward(const recurrent::Forward<T>& call, const Schedule& schedule,
                 int n_threads) {
    const py::gil_scoped_release nogil;
    if (call.sizes.normalised) {
        recurrent::layer_norm_forward(call, schedule, n_threads);
    } else {
        recurrent::forward<Cell>(call, schedule, n_threads);
    }
}

/// Of one call, [B, T, H] or None: in place of the weights' parts.
struct Zoneouts {
    py::object h = py::none(), c = py::none();
};

template <template <class> class Cell, class T>
py::tuple forward(const SharedWeights<T>& weights, py::handle x, py::handle h0,
                  py::handle c0, const py::object& lengths, const Zoneouts& zoneouts,
                  bool reverse, bool keep_cache, int n_threads) {
    constexpr const char* where = Names<Cell>::forward;
    const auto input = as_view<const T, 3>(x, where, "x");
    const Sizes sizes = weights->sizes(input.planes, input.rows);
    check_extent(input.columns, sizes.input, where, "x columns");
    const auto h_begin = optional_view<T>(h0, where, "h0", sizes.batch, sizes.output());
    const auto c_begin = optional_view<T>(c0, where, "c0", sizes.batch, sizes.hidden);
    check_threads(n_threads, where);
    if (keep_cache && !weights->for_training) {
        fail(where, "weights packed for backward", "weights packed for inference");
    }
    auto parts = weights->parts();
    read_zoneout(zoneouts.h, sizes, sizes.output(), where, "zoneout_h",
                 parts.zoneout_h);
    read_zoneout(zoneouts.c, sizes, sizes.hidden, where, "zoneout_c", parts.zoneout_c);
    const std::int64_t* const steps = checked_lengths(lengths, sizes, where);
    if (sizes.hidden == 0) {
        return forward_without_units<Cell, T>(weights, sizes, keep_cache);
    }
    Schedule schedule = recurrent::make_schedule(sizes, steps, reverse);

    auto h = pooled_empty<T>(sizes.batch, sizes.time, sizes.output());
    auto h_last = pooled_empty<T>(sizes.batch, sizes.output());
    auto c_last = new_c<Cell<T>>(sizes.batch, sizes.hidden);
    const Workspace<T> scratch(
        scratch_of_forward<Cell<T>>(sizes, schedule, keep_cache));
    std::unique_ptr<CacheData<T>> cache;
    recurrent::Cache<T> cache_view{};
    const Schedule* running = &schedule;
    if (keep_cache) {
        cache = make_cache<Cell<T>>(weights, sizes, std::move(schedule), parts);
        cache_view = cache->template view<T>(Cell<T>::has_c);
        running = &cache->schedule;
    }
    const recurrent::Forward<T> call{sizes,
                                     parts,
                                     weights->view(),
                                     input.data,
                                     data_or_null(h_begin),
                                     data_or_null(c_begin),
                                     h.mutable_data(),
                                     h_last.mutable_data(),
                                     data_of<T>(c_last),
                                     keep_cache ? &cache_view : nullptr,
                                     scratch.data()};
    run_forward<Cell<T>>(call, *running, n_threads);
    py::object kept = py::none();
    if (keep_cache) kept = py::cast(Cache<Cell>{std::move(cache)});
    return py::make_tuple(std::move(h), std::move(h_last), std::move(c_last),
                          std::move(kept));
}

/// A state that a step reads, and the one it writes apart from everything it reads.
template <class T> struct StepStates {
    View2<const T> before;
    View2<T> after;

    StepStates(py::handle in, py::handle out, const char* where, const char* name)
        : before(as_view<const T, 2>(in, where, name)),
          after(as_view<T, 2>(out, where, "out")) {}

    void check(index_t rows, index_t columns, const char* where,
               const std::string& name) const {
        check_extent(before.rows, rows, where, (name + " rows").c_str());
        check_extent(before.columns, columns, where, (name + " columns").c_str());
        check_extent(after.rows, rows, where, "out rows");
        check_extent(after.columns, columns, where, "out columns");
    }
};

/// With layer normalisation, whose sums are of whole rows.
template <class T> void step_as_forward(const recurrent::Step<T>& call) {
    const Sizes& sizes = call.sizes;
    if (sizes.hidden == 0) return;
    const Schedule schedule = recurrent::make_schedule(sizes, nullptr);
    const Workspace<T> h(sizes.batch * sizes.output());
    const Workspace<T> scratch(
        recurrent::layer_norm_forward_scratch<T>(sizes, schedule, false));
    const recurrent::Forward<T> pass{
        sizes,    call.parts,  call.weights, call.x,  call.h,        call.c,
        h.data(), call.h_next, call.c_next,  nullptr, scratch.data()};
    const py::gil_scoped_release nogil;
    recurrent::layer_norm_forward(pass, schedule, 1);
}

template <template <class> class Cell, class T>
void step(const PackedWeights<T>& weights, py::handle x, py::handle h, py::handle c,
          py::handle h_next, py::handle c_next) {
    constexpr const char* where = Names<Cell>::step;
    const auto input = as_view<const T, 2>(x, where, "x");
    const StepStates<T> h_states(h, h_next, where, "h");
    check_extent(input.columns, weights.input, where, "x columns");
    const Sizes sizes = weights.sizes(input.rows, 1);
    h_states.check(input.rows, sizes.output(), where, "h");
    check_apart(h_states.after, input, where, "out");
    check_apart(h_states.after, h_states.before, where, "out");
    Workspace<T> scratch; // which even empty would take its time
    if (weights.projection > 0 && !weights.normalised)
        scratch = Workspace<T>(input.rows * weights.hidden);
    recurrent::Step<T> call{sizes,
                            weights.parts(),
                            weights.view(),
                            input.data,
                            h_states.before.data,
                            nullptr,
                            h_states.after.data,
                            nullptr,
                            scratch.data()};
    if constexpr (Cell<T>::has_c) {
        const StepStates<T> c_states(c, c_next, where, "c");
        c_states.check(input.rows, weights.hidden, where, "c");
        check_apart(h_states.after, c_states.before, where, "out");
        check_apart(c_states.after, input, where, "out");
        check_apart(c_states.after, h_states.before, where, "out");
        check_apart(c_states.after, c_states.before, where, "out");
        check_apart(h_states.after, c_states.after, where, "out");
        call.c = c_states.before.data;
        call.c_next = c_states.after.data;
    }
    if (weights.normalised) return step_as_forward(call);
    const py::gil_scoped_release nogil;
    recurrent::step<Cell<T>>(call);
}

// ---------------------------------------------------------------- backward

template <template <class> class Cell, class T>
py::tuple backward(const CacheData<T>& cache, py::handle dh, py::handle dh_last,
                   py::handle dc_last, int n_threads) {
    constexpr const char* where = Names<Cell>::backward;
    constexpr index_t gates = Cell<T>::gates;
    const Sizes& sizes = cache.sizes;
    const auto dh_view = as_view<const T, 3>(dh, where, "dh");
    check_extent(dh_view.planes, sizes.batch, where, "dh batch");
    check_extent(dh_view.rows, sizes.time, where, "dh steps");
    check_extent(dh_view.columns, sizes.output(), where, "dh columns");
    const auto dh_end =
        optional_view<T>(dh_last, where, "dh_last", sizes.batch, sizes.output());
    const auto dc_end =
        optional_view<T>(dc_last, where, "dc_last", sizes.batch, sizes.hidden);
    check_threads(n_threads, where);

    auto dx = pooled_empty<T>(sizes.batch, sizes.time, sizes.input);
    auto dweight_ih = pooled_empty<T>(gates * sizes.hidden, sizes.input);
    auto dweight_hh = pooled_empty<T>(gates * sizes.hidden, sizes.output());
    auto dbias = pooled_empty<T>(gates * sizes.hidden);
    py::object dpeephole = py::none();
    if (cache.weights->has_peephole) dpeephole = pooled_empty<T>(3 * sizes.hidden);
    py::object dweight_hr = py::none();
    if (sizes.projection > 0)
        dweight_hr = pooled_empty<T>(sizes.projection, sizes.hidden);
    py::object dlayer_norm = py::none();
    if (sizes.normalised) dlayer_norm = pooled_empty<T>(10 * sizes.hidden);
    auto dh0 = pooled_empty<T>(sizes.batch, sizes.output());
    auto dc0 = new_c<Cell<T>>(sizes.batch, sizes.hidden);
    const auto results = [&] {
        return py::make_tuple(std::move(dx), std::move(dweight_ih),
                              std::move(dweight_hh), std::move(dbias), std::move(dh0),
                              std::move(dc0), std::move(dpeephole),
                              std::move(dweight_hr), std::move(dlayer_norm));
    };
    if (sizes.hidden == 0) { // dx alone has elements, and nothing flows into it
        std::fill_n(dx.mutable_data(), dx.size(), T(0));
        return results();
    }
    const Workspace<T> scratch(
        recurrent::backward_scratch<Cell<T>>(sizes, cache.schedule, n_threads));
    auto parts = cache.parts;
    parts.weight_hr = cache.weights->backward_hr.data();
    const recurrent::Backward<T> call{sizes,
                                      parts,
                                      cache.weights->backward_ih.data(),
                                      cache.weights->backward_hh.data(),
                                      cache.template view<const T>(Cell<T>::has_c),
                                      dh_view.data,
                                      data_or_null(dh_end),
                                      data_or_null(dc_end),
                                      dx.mutable_data(),
                                      dweight_ih.mutable_data(),
                                      dweight_hh.mutable_data(),
                                      dbias.mutable_data(),
                                      data_of<T>(dpeephole),
                                      data_of<T>(dweight_hr),
                                      data_of<T>(dlayer_norm),
                                      dh0.mutable_data(),
                                      data_of<T>(dc0),
                                      scratch.data()};
    {
        const py::gil_scoped_release nogil;
        recurrent::backward<Cell<T>>(call, cache.schedule, n_threads);
    }
    return results();
}

/// c after every step.
template <class T> py::array cells(const CacheData<T>& cache) {
    const Sizes& sizes = cache.sizes;
    auto c = pooled_empty<T>(sizes.batch, sizes.time, sizes.hidden);
    T* const to = c.mutable_data();
    {
        const py::gil_scoped_release nogil;
        recurrent::unpack_cells<LSTM<T>>(cache.c.data(), sizes, cache.schedule, to);
    }
    return c;
}

const char* dtype_name(const CacheData<float>&) { return "float32"; }
const char* dtype_name(const CacheData<double>&) { return "float64"; }

template <template <class> class Cell>
void register_types(py::module_& room, const char* weights, const char* cache) {
    using Kept = Cache<Cell>;
    py::class_<Weights<Cell>>(room, weights, py::is_final())
        .def_property_readonly("nbytes", [](const Weights<Cell>& self) {
            return std::visit([](const auto& packed) { return packed->nbytes(); },
                              self.packed);
        });
    py::class_<Kept> kept(room, cache, py::is_final());
    if constexpr (Cell<float>::has_c) {
        kept.def("cells", [](const Kept& self) {
            return std::visit([](const auto& data) { return cells(*data); }, self.data);
        });
    }
    kept.def_property_readonly("sizes",
                               [](const Kept& self) {
                                   return std::visit(
                                       [](const auto& data) {
                                           const Sizes& sizes = data->sizes;
                                           return py::make_tuple(
                                               sizes.batch, sizes.time, sizes.input,
                                               sizes.hidden);
                                       },
                                       self.data);
                               })
        .def_property_readonly(
            "output_size",
            [](const Kept& self) {
                return std::visit([](const auto& data) { return data->sizes.output(); },
                                  self.data);
            })
        .def_property_readonly("dtype", [](const Kept& self) {
            return std::visit([](const auto& data) { return dtype_name(*data); },
                              self.data);
        });
}

template <template <class> class Cell>
py::tuple forward_of(const Weights<Cell>& weights, const py::array& x,
                     const py::object& h0, const py::object& c0,
                     const py::object& lengths, const Zoneouts& zoneouts, bool reverse,
                     bool keep_cache, int n_threads) {
    return std::visit(
        [&](const auto& packed) {
            return forward<Cell>(packed, x, h0, c0, lengths, zoneouts, reverse,
                                 keep_cache, n_threads);
        },
        weights.packed);
}

template <template <class> class Cell>
void step_of(const Weights<Cell>& weights, const py::array& x, const py::array& h,
             const py::object& c, const py::object& h_next, const py::object& c_next) {
    std::visit(
        [&](const auto& packed) { step<Cell>(*packed, x, h, c, h_next, c_next); },
        weights.packed);
}

template <template <class> class Cell>
py::tuple backward_of(const Cache<Cell>& cache, const py::array& dh,
                      const py::object& dh_last, const py::object& dc_last,
                      int n_threads) {
    return std::visit(
        [&](const auto& data) {
            return backward<Cell>(*data, dh, dh_last, dc_last, n_threads);
        },
        cache.data);
}

} // namespace

void register_recurrent(py::module_& m) {
    auto room = m.def_submodule("recurrent", "Recurrent networks.");
    register_types<LSTM>(room, "LSTMWeights", "LSTMCache");
    register_types<RNN>(room, "RNNWeights", "RNNCache");

    room.def(
        "pack_lstm_weights",
        [](const py::array& weight_ih, const py::array& weight_hh,
           const py::object& bias, const py::object& peephole, bool tanh_candidate,
           const py::object& weight_hr, double zoneout_h, double zoneout_c,
           const py::object& layer_norm, bool bfloat16, bool backward, int n_threads) {
            const auto candidate =
                tanh_candidate ? Candidate::tanh : Candidate::sigmoid;
            return pack_weights<LSTM>(weight_ih, weight_hh, bias,
                                      {candidate, peephole, weight_hr, zoneout_h,
                                       zoneout_c, layer_norm, bfloat16},
                                      backward, n_threads);
        },
        "weight_ih"_a, "weight_hh"_a, "bias"_a, "peephole"_a, "tanh_candidate"_a,
        "weight_hr"_a, "zoneout_h"_a, "zoneout_c"_a, "layer_norm"_a, "bfloat16"_a,
        "backward"_a, "n_threads"_a);
    room.def(
        "lstm_forward",
        [](const Weights<LSTM>& weights, const py::array& x, const py::object& h0,
           const py::object& c0, const py::object& lengths, const py::object& zoneout_h,
           const py::object& zoneout_c, bool reverse, bool keep_cache, int n_threads) {
            return forward_of<LSTM>(weights, x, h0, c0, lengths, {zoneout_h, zoneout_c},
                                    reverse, keep_cache, n_threads);
        },
        "weights"_a, "x"_a, "h0"_a, "c0"_a, "lengths"_a, "zoneout_h"_a, "zoneout_c"_a,
        "reverse"_a, "keep_cache"_a, "n_threads"_a);
    room.def("lstm_step", &step_of<LSTM>, "weights"_a, "x"_a, "h"_a, "c"_a, "h_next"_a,
             "c_next"_a);
    room.def("lstm_backward", &backward_of<LSTM>, "cache"_a, "dh"_a, "dh_last"_a,
             "dc_last"_a, "n_threads"_a);

    room.def(
        "pack_rnn_weights",
        [](const py::array& weight_ih, const py::array& weight_hh,
           const py::object& bias, bool tanh, bool bfloat16, bool backward,
           int n_threads) {
            GivenParts parts{tanh ? Candidate::tanh : Candidate::relu};
            parts.bfloat16 = bfloat16;
            return pack_weights<RNN>(weight_ih, weight_hh, bias, parts, backward,
                                     n_threads);
        },
        "weight_ih"_a, "weight_hh"_a, "bias"_a, "tanh"_a, "bfloat16"_a, "backward"_a,
        "n_threads"_a);
    room.def(
        "round_to_bfloat16",
        [](const py::array& values) {
            const auto view =
                as_flat_view<const float>(values, "recurrent.bfloat16", "values");
            auto rounded = pooled_empty<std::uint16_t>(view.size);
            std::uint16_t* const bits = rounded.mutable_data();
            {
                const py::gil_scoped_release nogil;
                recurrent::round_to_bfloat16(view, bits);
            }
            return rounded;
        },
        "values"_a);
    room.def(
        "rnn_forward",
        [](const Weights<RNN>& weights, const py::array& x, const py::object& h0,
           const py::object& lengths, bool reverse, bool keep_cache, int n_threads) {
            const auto all = forward_of<RNN>(weights, x, h0, py::none(), lengths, {},
                                             reverse, keep_cache, n_threads);
            return py::make_tuple(all[0], all[1], all[3]);
        },
        "weights"_a, "x"_a, "h0"_a, "lengths"_a, "reverse"_a, "keep_cache"_a,
        "n_threads"_a);
    room.def(
        "rnn_step",
        [](const Weights<RNN>& weights, const py::array& x, const py::array& h,
           const py::object& h_next) {
            step_of<RNN>(weights, x, h, py::none(), h_next, py::none());
        },
        "weights"_a, "x"_a, "h"_a, "h_next"_a);
    room.def(
        "rnn_backward",
        [](const Cache<RNN>& cache, const py::array& dh, const py::object& dh_last,
           int n_threads) {
            const auto all =
                backward_of<RNN>(cache, dh, dh_last, py::none(), n_threads);
            return py::make_tuple(all[0], all[1], all[2], all[3], all[4]);
        },
        "cache"_a, "dh"_a, "dh_last"_a, "n_threads"_a);
}

} // namespace fastnotes
