/// Packed weights, and the order in which sequences run.
#include "recurrent/lstm.hpp"
#include "recurrent/rnn.hpp"
#include "recurrent/tile.hpp"

#include <numeric>

namespace fastnotes::recurrent {

using detail::Layout;
using detail::slice_width;

Schedule make_schedule(const Sizes& sizes, const std::int64_t* lengths, bool reverse) {
    const auto batch = static_cast<std::size_t>(sizes.batch);
    const auto length_of = [&](index_t b) {
        return lengths == nullptr ? sizes.time : static_cast<index_t>(lengths[b]);
    };
    Schedule s;
    s.order.resize(batch);
    std::iota(s.order.begin(), s.order.end(), index_t{0});
    if (lengths != nullptr) {
        std::stable_sort(s.order.begin(), s.order.end(), [&](index_t a, index_t b) {
            return length_of(a) > length_of(b);
        });
    }
    s.length.resize(batch);
    for (std::size_t r = 0; r < batch; ++r) s.length[r] = length_of(s.order[r]);
    s.steps = batch == 0 ? 0 : s.length[0];

    const index_t total = std::accumulate(s.length.begin(), s.length.end(), index_t{0});
    s.position.reserve(static_cast<std::size_t>(total));
    s.start.reserve(static_cast<std::size_t>(s.steps) + 1);
    s.start.push_back(0);
    std::size_t active = batch;
    for (index_t t = 0; t < s.steps; ++t) {
        while (active > 0 && s.length[active - 1] <= t) --active;
        for (std::size_t r = 0; r < active; ++r) {
            const index_t place = reverse ? s.length[r] - 1 - t : t;
            s.position.push_back(s.order[r] * sizes.time + place);
        }
        s.start.push_back(s.start.back() + static_cast<index_t>(active));
    }
    return s;
}

namespace detail {

Split choose_split(const Sizes& sizes, index_t n_gates, index_t step_depth,
                   const Schedule& schedule, int n_threads,
                   index_t unit_shares) noexcept {
    // A meeting of the team costs as much as some 100 kflop.
    constexpr index_t grain = 100'000;
    // By rows only where every thread's second-level cache holds the weights.
    constexpr index_t rows_per_thread = 4;
    constexpr index_t most_weights = index_t{1} << 16;
    const index_t rows = schedule.active(0);
    const index_t flops =
        2 * n_gates * sizes.hidden * (sizes.hidden + sizes.input) * rows;
    const int threads = worthwhile_threads(flops, grain, n_threads);
    if (sizes.normalised) { // a row's moments are of all its units
        const auto owners = static_cast<int>(std::clamp<index_t>(rows, 1, threads));
        return {owners, owners > 1};
    }
    const bool by_rows = threads > 1 && rows >= rows_per_thread * threads &&
                         n_gates * sizes.hidden * step_depth <= most_weights;
    if (by_rows) return {threads, true};
    return {static_cast<int>(std::clamp<index_t>(unit_shares, 1, threads)), false};
}

} // namespace detail

template <class Cell> index_t gates_width(index_t hidden) {
    return Layout<Cell>::gates(hidden);
}

template <class Cell> index_t state_width(index_t hidden) {
    return Layout<Cell>::padded(hidden);
}

template <class Cell> index_t output_width(const Sizes& sizes) {
    return Layout<Cell>::output(sizes);
}

template <class Cell> index_t packed_forward_size(index_t hidden, index_t columns) {
    return Layout<Cell>::gates(hidden) * columns;
}

template <class Cell> index_t packed_backward_size(index_t hidden, index_t columns) {
    return Layout<Cell>::column_slices(columns) * Layout<Cell>::gates(hidden) *
           slice_width<typename Cell::Value>;
}

template <class Cell> index_t packed_projection_size(index_t columns, index_t depth) {
    return round_up(columns, slice_width<typename Cell::Value>) * depth;
}

namespace {

/// Panel p of [P, n U / S, columns, S], L columns at a time.
template <class Cell, class T>
void pack_forward_panel(View2<const T> weight, index_t p, T* packed) noexcept {
    using V = simd::Vec<T>;
    constexpr index_t L = V::size, U = Layout<Cell>::units;
    constexpr index_t width = slice_width<T>;
    const index_t hidden = weight.rows / Cell::gates;
    const index_t columns = weight.columns;
    const index_t units = std::min(U, hidden - p * U);
    T* const panel = packed + p * columns * Layout<Cell>::panel_width;
    for (index_t k = 0; k < columns; k += L) {
        const index_t count = std::min(L, columns - k);
        for (index_t j = 0; j < Layout<Cell>::panel_width; j += L) {
            const index_t gate = j / U, first = j % U;
            const T* const rows =
                weight.data + (gate * hidden + p * U + first) * columns + k;
            T* const to = panel + j / width * columns * width + j % width + k * width;
            V block[L];
            for (index_t u = 0; u < L; ++u) {
                block[u] = first + u < units
                               ? detail::load_partial<T>(rows + u * columns, count)
                               : V(T(0));
            }
            simd::transpose(block);
            for (index_t i = 0; i < count; ++i) simd::store(to + i * width, block[i]);
        }
    }
}

/// Slice q of [Q(columns), G, S].
template <class Cell, class T>
void pack_backward_slice(View2<const T> weight, index_t q, T* packed) noexcept {
    constexpr index_t n_gates = Cell::gates, width = slice_width<T>;
    constexpr index_t L = simd::lanes<T>;
    const index_t hidden = weight.rows / n_gates;
    const index_t gates = Layout<Cell>::gates(hidden);
    const index_t count = std::min(width, weight.columns - q * width);
    T* const panel = packed + q * gates * width;
    if (hidden % Layout<Cell>::units != 0) std::fill_n(panel, gates * width, T(0));
    for (index_t gate = 0; gate < n_gates; ++gate) {
        for (index_t unit = 0; unit < hidden; ++unit) {
            const T* const from = weight.row(gate * hidden + unit) + q * width;
            T* const to = panel + Layout<Cell>::place(gate, unit) * width;
            for (index_t j = 0; j < width; j += L) {
                const index_t left = std::max<index_t>(0, count - j);
                simd::store(to + j, detail::load_partial<T>(from + j, left));
            }
        }
    }
}

/// [n H], or null for zeros, into a row of gates.
template <class Cell, class T>
void pack_gates(const T* values, index_t hidden, T* packed) noexcept {
    std::fill_n(packed, Layout<Cell>::gates(hidden), T(0));
    const index_t n = values == nullptr ? 0 : Cell::gates * hidden;
    for (index_t i = 0; i < n; ++i)
        packed[Layout<Cell>::place(i / hidden, i % hidden)] = values[i];
}

/// [10 H] into [2 G + 2 Hs].
template <class Cell, class T>
void pack_layer_norm(const T* values, index_t hidden, T* packed) noexcept {
    if (values == nullptr) return;
    const index_t n = Cell::gates * hidden, gates = Layout<Cell>::gates(hidden);
    const index_t padded = Layout<Cell>::padded(hidden);
    pack_gates<Cell>(values, hidden, packed);
    pack_gates<Cell>(values + n, hidden, packed + gates);
    T* const cells = packed + 2 * gates;
    std::fill_n(cells, 2 * padded, T(0));
    std::copy_n(values + 2 * n, hidden, cells);
    std::copy_n(values + 2 * n + hidden, hidden, cells + padded);
}

/// [3 H] into [Hs / L, 3, L].
template <class Cell, class T>
void pack_peephole(const T* peephole, index_t hidden, T* packed) noexcept {
    if (peephole == nullptr) return;
    constexpr index_t L = simd::lanes<T>;
    std::fill_n(packed, 3 * Layout<Cell>::padded(hidden), T(0));
    for (index_t gate = 0; gate < 3; ++gate) {
        for (index_t unit = 0; unit < hidden; ++unit) {
            packed[(unit / L * 3 + gate) * L + unit % L] =
                peephole[gate * hidden + unit];
        }
    }
}

/// S rows of the weight side by side, and where wanted S columns.
template <class T>
void pack_projection(View2<const T> weight, T* forward, T* backward) noexcept {
    if (weight.data == nullptr) return;
    constexpr index_t S = slice_width<T>;
    std::fill_n(forward, round_up(weight.rows, S) * weight.columns, T(0));
    if (backward != nullptr)
        std::fill_n(backward, round_up(weight.columns, S) * weight.rows, T(0));
    for (index_t r = 0; r < weight.rows; ++r) {
        for (index_t k = 0; k < weight.columns; ++k) {
            const T value = weight.row(r)[k];
            forward[(r / S * weight.columns + k) * S + r % S] = value;
            if (backward != nullptr)
                backward[(k / S * weight.rows + r) * S + k % S] = value;
        }
    }
}

} // namespace

template <class Cell>
void pack(const Packing<typename Cell::Value>& call, int n_threads) noexcept {
    constexpr index_t grain = index_t{1} << 14; // elements that are worth a thread
    const index_t hidden = call.weight_hh.rows / Cell::gates;
    const index_t inputs = call.weight_ih.columns;
    const index_t n_elements = call.weight_ih.size() + call.weight_hh.size();
    const bool backward = call.backward_hh != nullptr;
    parallel_region(
        worthwhile_threads(n_elements, grain, n_threads), [&](const Team& team) {
            const auto units = team.share(Layout<Cell>::unit_panels(hidden));
            for (index_t p = units.first; p < units.last; ++p) {
                pack_forward_panel<Cell>(call.weight_ih, p, call.forward_ih);
                pack_forward_panel<Cell>(call.weight_hh, p, call.forward_hh);
            }
            if (team.index == 0) {
                pack_gates<Cell>(call.bias, hidden, call.forward_bias);
                pack_layer_norm<Cell>(call.layer_norm, hidden, call.packed_layer_norm);
                pack_peephole<Cell>(call.peephole, hidden, call.packed_peephole);
                pack_projection(call.weight_hr, call.forward_hr, call.backward_hr);
            }
            if (!backward) return;
            const auto ih = team.share(Layout<Cell>::column_slices(inputs));
            for (index_t q = ih.first; q < ih.last; ++q) {
                pack_backward_slice<Cell>(call.weight_ih, q, call.backward_ih);
            }
            const auto hh =
                team.share(Layout<Cell>::column_slices(call.weight_hh.columns));
            for (index_t q = hh.first; q < hh.last; ++q) {
                pack_backward_slice<Cell>(call.weight_hh, q, call.backward_hh);
            }
        });
}

template <class Cell>
void unpack_cells(const typename Cell::Value* kept, const Sizes& sizes,
                  const Schedule& schedule, typename Cell::Value* c) noexcept {
    using T = typename Cell::Value;
    const index_t hidden = sizes.hidden, padded = Layout<Cell>::padded(hidden);
    std::fill_n(c, sizes.batch * sizes.time * hidden, T(0));
    const T* from = kept + sizes.batch * padded;
    for (const index_t place : schedule.position) {
        std::copy_n(from, hidden, c + place * hidden);
        from += padded;
    }
}

void round_packed(const float* values, index_t n, Bfloat16* rounded) noexcept {
    using V = simd::Vec<float>;
    for (index_t i = 0; i < n; i += 2 * V::size) {
        simd::store_pair(rounded + i, simd::load<V>(values + i),
                         simd::load<V>(values + i + V::size));
    }
}

void round_to_bfloat16(View1<const float> values, std::uint16_t* bits) noexcept {
    using V = simd::Vec<float>;
    for (index_t i = 0; i < values.size; i += V::size) {
        const index_t n = std::min<index_t>(V::size, values.size - i);
        const auto words =
            simd::bfloat16_words(detail::load_partial<float>(values.data + i, n)) >> 16;
        for (index_t j = 0; j < n; ++j)
            bits[i + j] = static_cast<std::uint16_t>(words[static_cast<int>(j)]);
    }
}

#define FASTNOTES_INSTANTIATE(Cell)                                                    \
    template index_t gates_width<Cell>(index_t);                                       \
    template index_t state_width<Cell>(index_t);                                       \
    template index_t output_width<Cell>(const Sizes&);                                 \
    template index_t packed_forward_size<Cell>(index_t, index_t);                      \
    template index_t packed_backward_size<Cell>(index_t, index_t);                     \
    template index_t packed_projection_size<Cell>(index_t, index_t);                   \
    template void pack<Cell>(const Packing<Cell::Value>&, int) noexcept;
FASTNOTES_INSTANTIATE(LSTM<float>)
FASTNOTES_INSTANTIATE(LSTM<double>)
FASTNOTES_INSTANTIATE(RNN<float>)
FASTNOTES_INSTANTIATE(RNN<double>)
#undef FASTNOTES_INSTANTIATE

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template void unpack_cells<LSTM<T>>(const T*, const Sizes&, const Schedule&,       \
                                        T*) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
