/// The micro-kernel of the packed matrix product: layout, register tile, epilogues.
/// Header only, so that a room can put its own arithmetic (gates of an LSTM, an
/// optimizer step) into a tile's epilogue while the sums are still in registers.
///
/// Panels. A right-hand side B [depth, columns] is cut into panels of panel_columns<T>
/// columns (panel_vectors registers). The last one may be narrower: its columns rounded
/// up to whole registers, the surplus filled with zeros. Inside a panel memory runs
/// [depth][width], so that one step of k reads `width` consecutive values:
///
///     b(k, j) of panel p  at  p * panel_columns * depth + k * width + j
///
/// Order. A tile holds Rows x Vecs registers of sums, each of them one chain:
///
///     sum = init;  for k = 0 .. depth - 1:  sum = fma(a(r, k), b(k, j), sum)
///
/// k ascending, whatever Rows and Vecs are and wherever the row and the column stand.
/// So a result depends on its own row of A and its own column of B alone: not on the
/// batch around it, not on the tile shape chosen for that batch, not on the threads.
/// Latency is hidden by more rows and columns in flight (PanelGroup when rows are few),
/// never by splitting a sum.
#pragma once

#include "common/simd.hpp"
#include "common/simd_bfloat16.hpp"
#include "common/view.hpp"

#include <type_traits>

namespace fastnotes::nn {

/// Registers across a full panel and rows of a full tile: 6 x 4 sums where there are 32
/// vector registers (AVX-512), 6 x 2 where there are 16.
inline constexpr index_t panel_vectors = simd::native_bytes == 64 ? 4 : 2;
inline constexpr index_t tile_rows = 6;

template <class T>
inline constexpr index_t panel_columns = panel_vectors * simd::lanes<T>;

/// Sums in flight that hide the latency of fma on every machine we know (4 cycles x 2).
inline constexpr index_t chains_in_flight = 8;

// ---------------------------------------------------------------- left-hand sides

/// a(r, k) = data[r * stride + k].
template <class T> struct RowMajor {
    const T* data;
    index_t stride;

    FASTNOTES_INLINE T operator()(index_t row, index_t k) const {
        return data[row * stride + k];
    }
};

/// A tile of Rows rows packed for it alone: a(r, k) = data[k * Rows + r].
template <class T, index_t Rows> struct PackedRows {
    const T* data;

    FASTNOTES_INLINE T operator()(index_t row, index_t k) const {
        return data[k * Rows + row];
    }
};

// ---------------------------------------------------------------- right-hand sides

/// They give register v of step k. W is how values are stored: T, or bfloat16 in pairs.

/// From data + k * stride + v * lanes: a packed panel (stride = its width), part of
/// one, or a row-major matrix (stride = its columns).
template <class T, class W = T> struct Panel {
    const W* data;
    index_t stride;

    FASTNOTES_INLINE simd::Vec<T> operator()(index_t k, index_t v) const {
        return simd::load_register<simd::Vec<T>>(data + k * stride, v);
    }
};

/// A panel, of which what lies `ahead` values further is asked for.
template <class T, class W = T> struct PanelAhead {
    const W* data;
    index_t stride;
    index_t ahead;

    FASTNOTES_INLINE simd::Vec<T> operator()(index_t k, index_t v) const {
        const W* const row = data + k * stride;
        if (v == 0) simd::prefetch_far(row + ahead);
        return simd::load_register<simd::Vec<T>>(row, v);
    }
};

/// Adjacent full panels, `gap` values apart, read side by side as one wide one.
template <class T, class W = T> struct PanelGroup {
    const W* data;
    index_t stride;
    index_t gap;

    FASTNOTES_INLINE simd::Vec<T> operator()(index_t k, index_t v) const {
        const W* const row = data + v / panel_vectors * gap + k * stride;
        return simd::load_register<simd::Vec<T>>(row, v % panel_vectors);
    }
};

// ---------------------------------------------------------------- the tile

namespace detail {
/// Keeps a value in its register: GCC would rather read it from memory again for each
/// row.
template <class V> FASTNOTES_INLINE void keep(V& value) {
#if defined(__x86_64__) || defined(__i386__)
    __asm__("" : "+v"(value.raw));
#elif defined(__aarch64__)
    __asm__("" : "+w"(value.raw));
#else
    (void)value;
#endif
}
} // namespace detail

/// Rows x Vecs registers of sums.
template <class T, index_t Rows, index_t Vecs> struct Tile {
    using V = simd::Vec<T>;

    V sum[Rows][Vecs];

    /// Adds the products of k = 0 .. depth - 1, in this order, to every sum. Call it
    /// again to go on with another pair of operands (x_t U^T, then h_(t-1) W^T).
    template <class Left, class Right>
    FASTNOTES_INLINE void accumulate(Left left, Right right, index_t depth) {
        for (index_t k = 0; k < depth; ++k) {
            V b[Vecs];
#pragma GCC unroll 8
            for (index_t v = 0; v < Vecs; ++v) {
                V value = right(k, v); // kept in b, it would be stored
                if constexpr (Rows > 1) detail::keep(value);
                b[v] = value;
            }
#pragma GCC unroll 8
            for (index_t r = 0; r < Rows; ++r) {
                const V a = simd::broadcast<V>(left(r, k));
#pragma GCC unroll 8
                for (index_t v = 0; v < Vecs; ++v)
                    sum[r][v] = simd::fma(a, b[v], sum[r][v]);
            }
        }
    }
};

/// One tile from start to end. `init(r, sums)` sets and `epilogue(r, sums)` consumes
/// the Vecs registers of row r, `sums` being simd::Vec<T> (&)[Vecs].
template <class T, index_t Rows, index_t Vecs, class Left, class Right, class Init,
          class Epilogue>
FASTNOTES_INLINE void micro_tile(Left left, Right right, index_t depth, Init&& init,
                                 Epilogue&& epilogue) {
    Tile<T, Rows, Vecs> tile;
#pragma GCC unroll 8
    for (index_t r = 0; r < Rows; ++r) init(r, tile.sum[r]);
    tile.accumulate(left, right, depth);
#pragma GCC unroll 8
    for (index_t r = 0; r < Rows; ++r) epilogue(r, tile.sum[r]);
}

/// Calls f(std::integral_constant<index_t, n>()) for a run-time n of 1 .. Most.
template <index_t Most, class F> FASTNOTES_INLINE void with_constant(index_t n, F&& f) {
    if constexpr (Most > 1) {
        if (n < Most) return with_constant<Most - 1>(n, f);
    }
    f(std::integral_constant<index_t, Most>());
}

/// The tiles that n rows are cut into: as few as tile_rows allows, equal to within one
/// row.
struct RowTiles {
    index_t rows;
    index_t count;

    constexpr explicit RowTiles(index_t n) : rows(n), count(ceil_div(n, tile_rows)) {}
    constexpr index_t first(index_t tile) const { return tile * rows / count; }
};

// ---------------------------------------------------------------- init and epilogue

/// Sums start at zero.
struct StartAtZero {
    template <class V, std::size_t Vecs>
    FASTNOTES_INLINE void operator()(index_t, V (&sum)[Vecs]) const {
        for (V& s : sum) s = V(typename V::value_type(0));
    }
};

/// Sums start at a row of values: data[r * stride + j], j < columns (stride 0: a bias).
template <class T> struct StartAt {
    const T* data;
    index_t stride;
    index_t columns;

    template <class V, std::size_t Vecs>
    FASTNOTES_INLINE void operator()(index_t row, V (&sum)[Vecs]) const {
        const T* from = data + row * stride;
#pragma GCC unroll 8
        for (index_t v = 0; v < static_cast<index_t>(Vecs); ++v) {
            const index_t left = columns - v * V::size;
            sum[v] = left > 0 ? simd::load_partial<V>(from + v * V::size,
                                                      static_cast<std::size_t>(left))
                              : V(T(0));
        }
    }
};

/// out(row + r, j) = map(sum), or map(out + sum) when `add`; columns from `columns` on
/// are not touched. `data` points at the tile's first value, which stands at (row,
/// column) of the whole result; map(V value, index_t row, index_t column) is told where
/// its lane 0 is.
template <class T, class Map> struct Store {
    T* data;
    index_t stride;
    index_t columns;
    bool add;
    Map map;
    index_t row = 0, column = 0;

    template <class V, std::size_t Vecs>
    FASTNOTES_INLINE void operator()(index_t r, const V (&sum)[Vecs]) const {
        T* to = data + r * stride;
#pragma GCC unroll 8
        for (index_t v = 0; v < static_cast<index_t>(Vecs); ++v) {
            const index_t j = v * V::size;
            if (j >= columns) return;
            const auto left = static_cast<std::size_t>(columns - j);
            V value = sum[v];
            if (add) value = simd::load_partial<V>(to + j, left) + value;
            simd::store_partial(to + j, map(value, row + r, column + j), left);
        }
    }
};

/// The map of a plain product.
struct Identity {
    template <class V> FASTNOTES_INLINE V operator()(V value, index_t, index_t) const {
        return value;
    }
};

} // namespace fastnotes::nn
