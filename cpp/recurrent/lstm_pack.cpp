/// Packed weights, and the order in which sequences run.
#include "recurrent/lstm_tile.hpp"

#include <cstring>
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
    constexpr index_t rows_per_thread = 4;
    const index_t rows = schedule.active(0);
    const index_t flops =
        2 * n_gates * sizes.hidden * (sizes.hidden + sizes.input) * rows;
    const int threads = worthwhile_threads(flops, grain, n_threads);
    if (rows >= rows_per_thread * threads && threads > 1) return {threads, true};
    return {static_cast<int>(std::clamp<index_t>(unit_shares, 1, threads)), false};
}

} // namespace detail

template <class T> index_t packed_forward_size(index_t hidden, index_t columns) {
    return Layout<T>::gates(hidden) * columns;
}

template <class T> index_t packed_backward_size(index_t hidden, index_t columns) {
    return Layout<T>::column_panels(columns) * Layout<T>::gates(hidden) *
           Layout<T>::panel_width;
}

template <class T> index_t packed_bias_size(index_t hidden) {
    return Layout<T>::gates(hidden);
}

template <class T>
void lstm_pack_forward(View2<const T> weight, T* packed, int n_threads) noexcept {
    constexpr index_t L = Layout<T>::L;
    constexpr index_t width = Layout<T>::panel_width;
    constexpr index_t block = static_cast<index_t>(64 / sizeof(T)); // of a cache line
    const index_t hidden = weight.rows / n_gates;
    const index_t columns = weight.columns;
    parallel_for(Layout<T>::unit_panels(hidden), n_threads, [&](index_t p) {
        T* const panel = packed + p * columns * width;
        const index_t units = std::min(L, hidden - p * L);
        for (index_t k0 = 0; k0 < columns; k0 += block) {
            const index_t k1 = std::min(k0 + block, columns);
            for (index_t gate = 0; gate < n_gates; ++gate) {
                const T* const rows = weight.row(gate * hidden + p * L);
                for (index_t k = k0; k < k1; ++k) {
                    T* const to = panel + k * width + gate * L;
                    for (index_t u = 0; u < units; ++u) to[u] = rows[u * columns + k];
                    for (index_t u = units; u < L; ++u) to[u] = T(0);
                }
            }
        }
    });
}

template <class T>
void lstm_pack_backward(View2<const T> weight, T* packed, int n_threads) noexcept {
    constexpr index_t L = Layout<T>::L;
    constexpr index_t width = Layout<T>::panel_width;
    const index_t hidden = weight.rows / n_gates;
    const index_t gates = Layout<T>::gates(hidden);
    parallel_for(Layout<T>::column_panels(weight.columns), n_threads, [&](index_t q) {
        T* const panel = packed + q * gates * width;
        const index_t count = std::min(width, weight.columns - q * width);
        std::fill_n(panel, gates * width, T(0));
        for (index_t unit = 0; unit < hidden; ++unit) {
            for (index_t gate = 0; gate < n_gates; ++gate) {
                const index_t row = (unit / L * n_gates + gate) * L + unit % L;
                const T* const from = weight.row(gate * hidden + unit) + q * width;
                std::copy_n(from, count, panel + row * width);
            }
        }
    });
}

template <class T>
void lstm_pack_bias(const T* bias, index_t hidden, T* packed) noexcept {
    constexpr index_t L = Layout<T>::L;
    std::fill_n(packed, Layout<T>::gates(hidden), T(0));
    if (bias == nullptr) return;
    for (index_t unit = 0; unit < hidden; ++unit) {
        for (index_t gate = 0; gate < n_gates; ++gate) {
            packed[(unit / L * n_gates + gate) * L + unit % L] =
                bias[gate * hidden + unit];
        }
    }
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t packed_forward_size<T>(index_t, index_t);                         \
    template index_t packed_backward_size<T>(index_t, index_t);                        \
    template index_t packed_bias_size<T>(index_t);                                     \
    template void lstm_pack_forward<T>(View2<const T>, T*, int) noexcept;              \
    template void lstm_pack_backward<T>(View2<const T>, T*, int) noexcept;             \
    template void lstm_pack_bias<T>(const T*, index_t, T*) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
