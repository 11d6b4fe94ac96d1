/// Packed weights, and the order in which sequences run.
#include "recurrent/lstm_tile.hpp"

#include <numeric>

namespace fastnotes::recurrent {

using detail::Layout;
using detail::n_gates;

Schedule make_schedule(const LSTMSizes& sizes, const std::int64_t* lengths) {
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
            s.position.push_back(s.order[r] * sizes.time + t);
        }
        s.start.push_back(s.start.back() + static_cast<index_t>(active));
    }
    return s;
}

namespace detail {

Split choose_split(const LSTMSizes& sizes, const Schedule& schedule, int n_threads,
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
    const bool by_rows = threads > 1 && rows >= rows_per_thread * threads &&
                         n_gates * sizes.hidden * sizes.hidden <= most_weights;
    if (by_rows) return {threads, true};
    return {static_cast<int>(std::clamp<index_t>(unit_shares, 1, threads)), false};
}

} // namespace detail

template <class T> index_t packed_forward_size(index_t hidden, index_t columns) {
    return Layout<T>::gates(hidden) * columns;
}

template <class T> index_t packed_backward_size(index_t hidden, index_t columns) {
    return Layout<T>::column_slices(columns) * Layout<T>::gates(hidden) *
           Layout<T>::slice_width;
}

template <class T> index_t packed_bias_size(index_t hidden) {
    return Layout<T>::gates(hidden);
}

namespace {

/// Panel p of [P, 4L / S, columns, S].
template <class T>
void pack_forward_panel(View2<const T> weight, index_t p, T* packed) noexcept {
    constexpr index_t L = Layout<T>::L;
    constexpr index_t width = Layout<T>::slice_width;
    constexpr auto block = static_cast<index_t>(64 / sizeof(T)); // of a cache line
    const index_t hidden = weight.rows / n_gates;
    const index_t columns = weight.columns;
    const index_t units = std::min(L, hidden - p * L);
    T* const panel = packed + p * columns * Layout<T>::panel_width;
    for (index_t k0 = 0; k0 < columns; k0 += block) {
        const index_t k1 = std::min(k0 + block, columns);
        for (index_t gate = 0; gate < n_gates; ++gate) {
            const T* const rows = weight.row(gate * hidden + p * L);
            T* const slice =
                panel + gate * L / width * columns * width + gate * L % width;
            for (index_t k = k0; k < k1; ++k) {
                T* const to = slice + k * width;
                for (index_t u = 0; u < units; ++u) to[u] = rows[u * columns + k];
                for (index_t u = units; u < L; ++u) to[u] = T(0);
            }
        }
    }
}

/// Where a row of gates keeps a unit's gate.
template <class T> index_t place(index_t gate, index_t unit) {
    constexpr index_t L = Layout<T>::L;
    return (unit / L * n_gates + gate) * L + unit % L;
}

/// Slice q of [Q(columns), G, S].
template <class T>
void pack_backward_slice(View2<const T> weight, index_t q, T* packed) noexcept {
    constexpr index_t width = Layout<T>::slice_width;
    const index_t hidden = weight.rows / n_gates;
    const index_t gates = Layout<T>::gates(hidden);
    const index_t count = std::min(width, weight.columns - q * width);
    T* const panel = packed + q * gates * width;
    const bool padded = count < width || hidden % Layout<T>::L != 0;
    if (padded) std::fill_n(panel, gates * width, T(0));
    for (index_t gate = 0; gate < n_gates; ++gate) {
        for (index_t unit = 0; unit < hidden; ++unit) {
            std::copy_n(weight.row(gate * hidden + unit) + q * width, count,
                        panel + place<T>(gate, unit) * width);
        }
    }
}

} // namespace

template <class T> void lstm_pack(const LSTMPacking<T>& call, int n_threads) noexcept {
    constexpr index_t grain = index_t{1} << 14; // elements that are worth a thread
    const index_t hidden = call.weight_hh.columns;
    const index_t inputs = call.weight_ih.columns;
    const index_t n_elements = call.weight_ih.size() + call.weight_hh.size();
    const bool backward = call.backward_hh != nullptr;
    parallel_region(
        worthwhile_threads(n_elements, grain, n_threads), [&](const Team& team) {
            const auto units = team.share(Layout<T>::unit_panels(hidden));
            for (index_t p = units.first; p < units.last; ++p) {
                pack_forward_panel(call.weight_ih, p, call.forward_ih);
                pack_forward_panel(call.weight_hh, p, call.forward_hh);
            }
            if (team.index == 0) {
                T* const packed = call.forward_bias;
                std::fill_n(packed, Layout<T>::gates(hidden), T(0));
                for (index_t i = 0; call.bias != nullptr && i < n_gates * hidden; ++i) {
                    packed[place<T>(i / hidden, i % hidden)] = call.bias[i];
                }
            }
            if (!backward) return;
            const auto ih = team.share(Layout<T>::column_slices(inputs));
            for (index_t q = ih.first; q < ih.last; ++q) {
                pack_backward_slice(call.weight_ih, q, call.backward_ih);
            }
            const auto hh = team.share(Layout<T>::column_slices(hidden));
            for (index_t q = hh.first; q < hh.last; ++q) {
                pack_backward_slice(call.weight_hh, q, call.backward_hh);
            }
        });
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t packed_forward_size<T>(index_t, index_t);                         \
    template index_t packed_backward_size<T>(index_t, index_t);                        \
    template index_t packed_bias_size<T>(index_t);                                     \
    template void lstm_pack<T>(const LSTMPacking<T>&, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
