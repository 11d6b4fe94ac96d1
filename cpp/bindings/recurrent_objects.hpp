/// Packed weights and caches of recurrent networks, as the opaque objects of Python.
#pragma once

#include "bindings/arrays.hpp"
#include "bindings/workspace.hpp"
#include "recurrent/lstm.hpp"
#include "recurrent/rnn.hpp"

#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace fastnotes {

using recurrent::Candidate;
using recurrent::LSTM;
using recurrent::RNN;
using recurrent::Schedule;
using recurrent::Sizes;

/// What messages call the functions of a cell.
template <template <class> class Cell> struct Names;
template <> struct Names<LSTM> {
    static constexpr const char* pack = "recurrent.pack_lstm_weights";
    static constexpr const char* forward = "recurrent.lstm_forward";
    static constexpr const char* backward = "recurrent.lstm_backward";
    static constexpr const char* step = "recurrent.LSTMWeights.step";
};
template <> struct Names<RNN> {
    static constexpr const char* pack = "recurrent.pack_rnn_weights";
    static constexpr const char* forward = "recurrent.rnn_forward";
    static constexpr const char* backward = "recurrent.rnn_backward";
    static constexpr const char* step = "recurrent.RNNWeights.step";
};

/// What a cell has beside weights and bias, as Python gives it.
struct GivenParts {
    Candidate candidate;
    py::object peephole = py::none(), weight_hr = py::none();
    double zoneout_h = 0, zoneout_c = 0;
    py::object layer_norm = py::none();
    bool bfloat16 = false; // weights, but for bias, peephole and layer_norm
};

/// A packed weight, or in its place the same in bfloat16.
template <class T> struct StoredWeight {
    Workspace<T> values;
    Workspace<Bfloat16> rounded;
    index_t size = 0;

    StoredWeight() = default;
    explicit StoredWeight(index_t n) : values(n), size(n) {}

    recurrent::Stored<T> view() const noexcept {
        if (rounded.data() != nullptr) return recurrent::Stored<T>(rounded.data());
        return values.data();
    }
    index_t nbytes() const noexcept {
        const auto item = rounded.data() != nullptr ? sizeof(Bfloat16) : sizeof(T);
        return size * static_cast<index_t>(item);
    }
    void round() {
        if (size == 0) return;
        rounded = Workspace<Bfloat16>(size);
        recurrent::round_packed(values.data(), size, rounded.data());
        values = Workspace<T>();
    }
};

template <class T> struct PackedWeights {
    index_t input, hidden, projection;
    Candidate candidate;
    T zoneout_h, zoneout_c;
    StoredWeight<T> weight_ih, weight_hh;
    StoredWeight<T> weight_hr; // null without a projection
    Workspace<T> bias;
    Workspace<T> peephole;                 // null unless has_peephole
    Workspace<T> backward_ih, backward_hh; // null unless packed for training
    Workspace<T> backward_hr;              // null unless both
    Workspace<T> layer_norm;               // null unless normalised
    index_t gates_width, state_width;
    bool for_training = false, has_peephole = false, normalised = false;

    recurrent::Parts<T> parts() const noexcept {
        recurrent::LayerNorm<T> norm;
        if (normalised) {
            const T* const cells = layer_norm.data() + 2 * gates_width;
            norm = {layer_norm.data(), layer_norm.data() + gates_width, cells,
                    cells + state_width};
        }
        return {candidate,   peephole.data(), weight_hr.view(),
                {zoneout_h}, {zoneout_c},     norm};
    }
    Sizes sizes(index_t batch, index_t time) const noexcept {
        return {batch, time, input, hidden, projection, normalised};
    }
    recurrent::PackedWeights<T> view() const noexcept {
        return {weight_ih.view(), weight_hh.view(), bias.data()};
    }
    /// Of the weights that a step reads for each multiplication.
    index_t nbytes() const noexcept {
        return weight_ih.nbytes() + weight_hh.nbytes() + weight_hr.nbytes();
    }
};
template <class T> using SharedWeights = std::shared_ptr<const PackedWeights<T>>;

/// Weights in the kernels' layout; never changed once made.
template <template <class> class Cell> struct Weights {
    std::variant<SharedWeights<float>, SharedWeights<double>> packed;
};

template <class T> struct CacheData {
    SharedWeights<T> weights;
    Sizes sizes;
    Schedule schedule;
    Workspace<T> x, gates, c, h0, h;
    Workspace<T> ih_hat, hh_hat, moments;
    Workspace<T> zoneout_h, zoneout_c; // copies of the call's
    recurrent::Parts<T> parts;

    bool keeps_h() const noexcept {
        return parts.zones() || sizes.projection > 0 || sizes.normalised;
    }

    /// Null c where the cell has none.
    template <class U> recurrent::Cache<U> view(bool has_c) const {
        return {x.data(),
                gates.data(),
                has_c ? c.data() : nullptr,
                h0.data(),
                keeps_h() ? h.data() : nullptr,
                ih_hat.data(),
                hh_hat.data(),
                moments.data()};
    }
};

/// What a forward pass leaves for backward; only ever read after that.
template <template <class> class Cell> struct Cache {
    std::variant<std::unique_ptr<CacheData<float>>, std::unique_ptr<CacheData<double>>>
        data;
};

/// A vector of `size` elements, or null for None.
template <class T>
const T* optional_vector(py::handle object, const char* where, const char* name,
                         index_t size) {
    if (object.is_none()) return nullptr;
    const auto view = as_view<const T, 1>(object, where, name);
    check_extent(view.size, size, where, (std::string(name) + " size").c_str());
    return view.data;
}

template <class T> const T* data_or_null(const std::optional<View2<const T>>& view) {
    return view ? view->data : nullptr;
}

template <class T>
std::optional<View2<const T>> optional_view(py::handle object, const char* where,
                                            const char* name) {
    if (object.is_none()) return std::nullopt;
    return as_view<const T, 2>(object, where, name);
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

/// A state of the cell's second kind: a new array, or None where it has none.
template <class Cell> py::object new_c(index_t batch, index_t hidden) {
    if constexpr (!Cell::has_c) return py::none();
    return pooled_empty<typename Cell::Value>(batch, hidden);
}
template <class T> T* data_of(const py::object& array) {
    if (array.is_none()) return nullptr;
    return py::reinterpret_borrow<py::array_t<T>>(array).mutable_data();
}

template <class Cell, class T = typename Cell::Value>
SharedWeights<T> pack(const char* where, py::handle weight_ih, py::handle weight_hh,
                      py::handle bias, const GivenParts& parts, bool backward,
                      int n_threads) {
    const auto ih = as_view<const T, 2>(weight_ih, where, "weight_ih");
    const auto hh = as_view<const T, 2>(weight_hh, where, "weight_hh");
    const auto hr = optional_view<T>(parts.weight_hr, where, "weight_hr");
    const index_t input = ih.columns, hidden = hr ? hr->columns : hh.columns;
    const index_t rows = Cell::gates * hidden;
    check_extent(hh.columns, hr ? hr->rows : hidden, where, "weight_hh columns");
    check_extent(ih.rows, rows, where, "weight_ih rows");
    check_extent(hh.rows, rows, where, "weight_hh rows");
    const T* const bias_data = optional_vector<T>(bias, where, "bias", rows);
    const T* const peephole_data =
        optional_vector<T>(parts.peephole, where, "peephole", 3 * hidden);
    const T* const layer_norm_data =
        optional_vector<T>(parts.layer_norm, where, "layer_norm", 10 * hidden);
    check_threads(n_threads, where);
    if (parts.bfloat16 && backward)
        fail(where, "weights for inference alone in bfloat16", "weights for backward");
    if (parts.bfloat16 && !std::is_same_v<T, float>)
        fail(where, "float32 weights to round to bfloat16", "float64");

    auto out = std::make_shared<PackedWeights<T>>();
    out->input = input;
    out->hidden = hidden;
    out->projection = hr ? hr->rows : 0;
    out->candidate = parts.candidate;
    out->zoneout_h = static_cast<T>(parts.zoneout_h);
    out->zoneout_c = static_cast<T>(parts.zoneout_c);
    out->for_training = backward;
    const auto forward_size = [&](index_t columns) {
        return recurrent::packed_forward_size<Cell>(hidden, columns);
    };
    const auto backward_size = [&](index_t columns) {
        return recurrent::packed_backward_size<Cell>(hidden, columns);
    };
    out->weight_ih = StoredWeight<T>(forward_size(input));
    out->weight_hh = StoredWeight<T>(forward_size(hh.columns));
    out->gates_width = recurrent::gates_width<Cell>(hidden);
    out->state_width = recurrent::state_width<Cell>(hidden);
    out->bias = Workspace<T>(out->gates_width);
    out->normalised = layer_norm_data != nullptr;
    if (out->normalised)
        out->layer_norm = Workspace<T>(2 * (out->gates_width + out->state_width));
    out->has_peephole = !parts.peephole.is_none();
    if (out->has_peephole) out->peephole = Workspace<T>(3 * out->state_width);
    const auto projection_size = [](index_t columns, index_t depth) {
        return recurrent::packed_projection_size<Cell>(columns, depth);
    };
    if (hr) out->weight_hr = StoredWeight<T>(projection_size(hr->rows, hidden));
    if (backward) {
        out->backward_ih = Workspace<T>(backward_size(input));
        out->backward_hh = Workspace<T>(backward_size(hh.columns));
        if (hr) out->backward_hr = Workspace<T>(projection_size(hidden, hr->rows));
    }
    const recurrent::Packing<T> call{ih,
                                     hh,
                                     hr.value_or(View2<const T>{}),
                                     bias_data,
                                     peephole_data,
                                     layer_norm_data,
                                     out->weight_ih.values.data(),
                                     out->weight_hh.values.data(),
                                     out->bias.data(),
                                     out->backward_ih.data(),
                                     out->backward_hh.data(),
                                     out->peephole.data(),
                                     out->weight_hr.values.data(),
                                     out->backward_hr.data(),
                                     out->layer_norm.data()};
    {
        const py::gil_scoped_release nogil;
        recurrent::pack<Cell>(call, n_threads);
        if constexpr (std::is_same_v<T, float>) {
            if (parts.bfloat16) {
                for (auto* each : {&out->weight_ih, &out->weight_hh, &out->weight_hr})
                    each->round();
            }
        }
    }
    return out;
}

template <template <class> class Cell>
Weights<Cell> pack_weights(const py::array& weight_ih, const py::array& weight_hh,
                           const py::object& bias, const GivenParts& parts,
                           bool backward, int n_threads) {
    constexpr const char* where = Names<Cell>::pack;
    return dispatch_real(weight_ih, where, "weight_ih", [&](auto zero) {
        return Weights<Cell>{pack<Cell<decltype(zero)>>(
            where, weight_ih, weight_hh, bias, parts, backward, n_threads)};
    });
}

} // namespace fastnotes
