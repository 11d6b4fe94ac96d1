/// What the LSTM kernels share: the layout's constants and the register tile.
#pragma once

#include "common/parallel.hpp"
#include "common/simd.hpp"
#include "nn/gemm_kernel.hpp"
#include "recurrent/lstm.hpp"

#include <algorithm>
#include <type_traits>

namespace fastnotes::recurrent::detail {

inline constexpr index_t n_gates = 4;

/// Rows of a tile of four registers per row: 24 sums of 32 registers, 12 of 16.
#if FASTNOTES_AVX512 || defined(__aarch64__)
inline constexpr index_t max_tile_rows = 6;
#else
inline constexpr index_t max_tile_rows = 3;
#endif

/// The padded sizes of lstm.hpp's legend.
template <class T> struct Layout {
    static constexpr index_t L = simd::lanes<T>;
    static constexpr index_t panel_width = n_gates * L; // 4L

    static constexpr index_t unit_panels(index_t hidden) { return ceil_div(hidden, L); }
    static constexpr index_t padded(index_t hidden) { return round_up(hidden, L); }
    static constexpr index_t gates(index_t hidden) { return n_gates * padded(hidden); }
    static constexpr index_t column_panels(index_t n) {
        return ceil_div(n, panel_width);
    }
};

/// Scratch slices keep every part on a cache line.
template <class T> constexpr index_t slice(index_t size) {
    return round_up(size, static_cast<index_t>(64 / sizeof(T)));
}

template <index_t Rows> using RowCount = std::integral_constant<index_t, Rows>;

/// f(RowCount<n>) for n in 1..max_tile_rows.
template <class F> FASTNOTES_INLINE void with_row_count(index_t n, F&& f) {
    if constexpr (max_tile_rows == 6) {
        if (n == 6) return f(RowCount<6>());
        if (n == 5) return f(RowCount<5>());
        if (n == 4) return f(RowCount<4>());
    }
    if (n == 3) return f(RowCount<3>());
    if (n == 2) return f(RowCount<2>());
    return f(RowCount<1>());
}

/// Cuts [first, last) into the fewest tiles, equal to within a row: f(row, RowCount).
template <class F> void for_each_tile(index_t first, index_t last, F&& f) {
    const index_t n = last - first;
    const index_t tiles = ceil_div(n, max_tile_rows);
    for (index_t i = 0; i < tiles; ++i) {
        const index_t row = first + n * i / tiles;
        const index_t end = first + n * (i + 1) / tiles;
        with_row_count(end - row, [&](auto rows) { f(row, rows); });
    }
}

/// Left-hand side read down its columns: a(r, k) = data[k * stride + r].
template <class T> struct ColumnMajor {
    const T* data;
    index_t stride;
    FASTNOTES_INLINE T operator()(index_t row, index_t k) const {
        return data[k * stride + row];
    }
};

template <class T, index_t Rows> using Tile = nn::Tile<T, Rows, n_gates>;

template <class T, index_t Rows>
FASTNOTES_INLINE void load_tile(Tile<T, Rows>& tile, const T* rows, index_t stride) {
    using V = simd::Vec<T>;
#pragma GCC unroll 8
    for (index_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (index_t v = 0; v < n_gates; ++v) {
            tile.sum[r][v] = simd::load<V>(rows + r * stride + v * V::size);
        }
    }
}

template <class T, index_t Rows>
FASTNOTES_INLINE void store_tile(const Tile<T, Rows>& tile, T* rows, index_t stride) {
    using V = simd::Vec<T>;
#pragma GCC unroll 8
    for (index_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (index_t v = 0; v < n_gates; ++v) {
            simd::store(rows + r * stride + v * V::size, tile.sum[r][v]);
        }
    }
}

template <class T, index_t Rows> FASTNOTES_INLINE void clear_tile(Tile<T, Rows>& tile) {
    using V = simd::Vec<T>;
#pragma GCC unroll 8
    for (index_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (index_t v = 0; v < n_gates; ++v) tile.sum[r][v] = V(T(0));
    }
}

/// simd's partial accesses, for a signed number of lanes.
template <class T>
FASTNOTES_INLINE simd::Vec<T> load_partial(const T* from, index_t n) {
    return simd::load_partial<simd::Vec<T>>(from, static_cast<std::size_t>(n));
}
template <class T>
FASTNOTES_INLINE void store_partial(T* to, simd::Vec<T> value, index_t n) {
    simd::store_partial(to, value, static_cast<std::size_t>(n));
}

/// Threads worth starting, and how they share a step.
///
/// By rows: each thread runs its own sequences and never waits, but streams all
/// weights. By units: each thread owns panels of units and its part of the weights, and
/// the team meets once a step. One thread works by units, alone.
struct Split {
    int n_threads;
    bool by_rows;
};
Split choose_split(const LSTMSizes& sizes, const Schedule& schedule, int n_threads,
                   index_t unit_shares) noexcept;

/// The sorted rows of a step that a thread owns when the team splits by rows: every
/// size-th of some equal blocks, so that long and short sequences mix. f(first, last).
template <class F>
void for_each_own_rows(const Team& team, index_t batch, index_t active, F&& f) {
    const index_t share = max_tile_rows * static_cast<index_t>(team.size);
    const index_t blocks = team.size * ceil_div(batch, share);
    for (index_t i = team.index; i < blocks; i += team.size) {
        const index_t first = batch * i / blocks;
        const index_t last = std::min(batch * (i + 1) / blocks, active);
        if (first < last) f(first, last);
    }
}

} // namespace fastnotes::recurrent::detail
