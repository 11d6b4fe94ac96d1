/// What the passes share: the layout's constants and the product with slices.
#pragma once

#include "common/parallel.hpp"
#include "common/simd.hpp"
#include "nn/gemm_kernel.hpp"
#include "recurrent/pass.hpp"

#include <algorithm>
#include <type_traits>

namespace fastnotes::recurrent::detail {

/// Panels of units that a step finishes together, so that one row has sums enough.
inline constexpr index_t panels_at_once = 2;

/// S: columns of a register tile.
template <class T> inline constexpr index_t slice_width = nn::panel_columns<T>;

/// The padded sizes of pass.hpp's legend.
template <class Cell> struct Layout {
    using T = typename Cell::Value;
    static constexpr index_t n_gates = Cell::gates;
    static constexpr index_t L = simd::lanes<T>;
    static constexpr index_t vectors =
        std::max<index_t>(1, nn::panel_vectors / n_gates);
    static constexpr index_t units = vectors * L;                   // U, of a panel
    static constexpr index_t panel_width = n_gates * units;         // of gates
    static constexpr index_t slices = panel_width / slice_width<T>; // of a panel
    static constexpr index_t panels_per_slice = slice_width<T> / units;

    static constexpr index_t unit_panels(index_t hidden) {
        return ceil_div(hidden, units);
    }
    static constexpr index_t padded(index_t hidden) { return round_up(hidden, units); }
    static constexpr index_t gates(index_t hidden) { return n_gates * padded(hidden); }
    static constexpr index_t output(const Sizes& sizes) {
        return sizes.projection == 0 ? padded(sizes.hidden)
                                     : round_up(sizes.projection, slice_width<T>);
    }
    static constexpr index_t column_slices(index_t n) {
        return ceil_div(n, slice_width<T>);
    }
    /// Where a row of gates keeps a unit's gate.
    static constexpr index_t place(index_t gate, index_t unit) {
        return (unit / units * n_gates + gate) * units + unit % units;
    }
};

/// f(cell) with Cell, or where the call has an optional part with Cell::Extended.
template <class Cell, class F>
void with_variant(const Parts<typename Cell::Value>& parts, F&& f) {
    if (parts.any()) return f(typename Cell::Extended());
    f(Cell());
}

template <index_t N> using Constant = std::integral_constant<index_t, N>;

/// Scratch slices keep every part on a cache line.
template <class T> constexpr index_t slice(index_t size) {
    return round_up(size, static_cast<index_t>(64 / sizeof(T)));
}

/// Hands out parts of a call's scratch, one after the other.
template <class T> class Scratch {
  public:
    explicit Scratch(T* begin) : begin_(begin), next_(begin) {}

    T* operator()(index_t size) noexcept {
        T* const part = next_;
        next_ += slice<T>(size);
        return part;
    }
    index_t size() const noexcept { return next_ - begin_; }

  private:
    T *begin_, *next_;
};

/// Cuts [first, last) into the fewest tiles, equal to within a row: f(row, n) with n a
/// constant of 1 .. nn::tile_rows.
template <class F> void for_each_tile(index_t first, index_t last, F&& f) {
    const nn::RowTiles tiles(last - first);
    for (index_t i = 0; i < tiles.count; ++i) {
        const index_t row = first + tiles.first(i), end = first + tiles.first(i + 1);
        nn::with_constant<nn::tile_rows>(end - row, [&](auto n) { f(row, n); });
    }
}

/// left [rows, depth], rows left_stride apart, times weight [slices, depth, S];
/// bfloat16 is widened as it is read.
template <class T> struct Operands {
    const T* left;
    index_t left_stride;
    Stored<T> weight;
    index_t depth;
};

/// out = start + left times weight, then + those of `then`: each sum one chain that
/// goes on from `start`.
///
///   start   [rows, slices * S], rows start_stride apart (0: a bias); null: zeros
///   out     likewise; it may be start
template <class T> struct SliceProduct {
    Operands<T> operands;
    const T* start;
    index_t start_stride;
    T* out;
    index_t out_stride;
    Operands<T> then{};

    index_t depth() const noexcept { return operands.depth + then.depth; }
};

/// Steps of depth whose weights stay in the first-level cache.
inline constexpr index_t depth_block = 256;

/// Adds rows r .. r + Rows - 1 times Slices slices from s on, of depth [k, end), to the
/// sums. A single slice is read with what lies a block further asked for.
template <class W, index_t Slices, class T, index_t Rows, index_t Vecs>
FASTNOTES_INLINE void accumulate(nn::Tile<T, Rows, Vecs>& tile,
                                 const Operands<T>& operands, index_t r, index_t s,
                                 index_t k, index_t end) {
    constexpr index_t width = slice_width<T>;
    const nn::RowMajor<T> left{operands.left + r * operands.left_stride + k,
                               operands.left_stride};
    const W* const weight =
        operands.weight.template as<W>() + (s * operands.depth + k) * width;
    if constexpr (Slices == 1) {
        tile.accumulate(left, nn::PanelAhead<T, W>{weight, width, depth_block * width},
                        end - k);
    } else {
        tile.accumulate(
            left, nn::PanelGroup<T, W>{weight, width, operands.depth * width}, end - k);
    }
}

/// Rows r .. r + Rows - 1 and Slices slices from s on, through depth [k, end).
/// A function of its own: inside a large one GCC keeps the sums in memory.
template <class W, index_t Rows, index_t Slices, class T>
[[gnu::noinline]] void multiply_tile(const SliceProduct<T>& product, index_t r,
                                     index_t s, index_t k, index_t end) {
    using V = simd::Vec<T>;
    constexpr index_t width = slice_width<T>;
    constexpr index_t vectors = Slices * nn::panel_vectors;
    const bool first = k == 0;
    const T* const start = first ? product.start : product.out;
    const index_t start_stride = first ? product.start_stride : product.out_stride;
    nn::Tile<T, Rows, vectors> tile;
    if (start == nullptr) {
#pragma GCC unroll 8
        for (auto& row : tile.sum) {
#pragma GCC unroll 8
            for (V& sum : row) sum = V(T(0));
        }
    } else {
        const T* const from = start + r * start_stride + s * width;
#pragma GCC unroll 8
        for (index_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 8
            for (index_t v = 0; v < vectors; ++v)
                tile.sum[i][v] = simd::load<V>(from + i * start_stride + v * V::size);
        }
    }
    const index_t own = product.operands.depth;
    if (k < own)
        accumulate<W, Slices>(tile, product.operands, r, s, k, std::min(end, own));
    if (end > own) {
        accumulate<W, Slices>(tile, product.then, r, s, std::max<index_t>(k - own, 0),
                              end - own);
    }
    T* const to = product.out + r * product.out_stride + s * width;
#pragma GCC unroll 8
    for (index_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 8
        for (index_t v = 0; v < vectors; ++v)
            simd::store(to + i * product.out_stride + v * V::size, tile.sum[i][v]);
    }
}

/// Slices [first, last) of `product`. for_rows(f) calls f(first_row, last_row) for the
/// ranges of rows wanted; n is their number where they are one range, else 0.
///
/// A slice's block of depth stays in the first-level cache while all rows pass by, and
/// the next one, which follows it in memory, is on its way. One or two rows take
/// several slices side by side, or the latency of fma would show. W is how the weights
/// of all operands that have any are stored.
template <class W, class T, class ForRows>
void multiply_stored(const SliceProduct<T>& product, index_t n, index_t first,
                     index_t last, const ForRows& for_rows) {
    constexpr index_t wide = nn::chains_in_flight / nn::panel_vectors;
    index_t s = first;
    const auto few_rows = [&](auto rows, auto slices) {
        constexpr index_t R = decltype(rows)::value, S = decltype(slices)::value;
        for (; s + S <= last; s += S) {
            for_rows([&](index_t r, index_t) {
                multiply_tile<W, R, S>(product, r, s, 0, product.depth());
            });
        }
    };
    if (n == 1) few_rows(Constant<1>(), Constant<wide>());
    if constexpr (wide > 2) {
        if (n == 2) few_rows(Constant<2>(), Constant<wide / 2>());
    }
    for (; s < last; ++s) {
        index_t k = 0;
        do {
            const index_t end = std::min(k + depth_block, product.depth());
            for_rows([&](index_t from, index_t to) {
                for_each_tile(from, to, [&](index_t r, auto rows) {
                    multiply_tile<W, decltype(rows)::value, 1>(product, r, s, k, end);
                });
            });
            k += depth_block;
        } while (k < product.depth());
    }
}

/// The same, however the weights are stored.
template <class T, class ForRows>
void multiply(const SliceProduct<T>& product, index_t n, index_t first, index_t last,
              ForRows&& for_rows) {
    if constexpr (std::is_same_v<T, float>) {
        if (product.operands.weight.rounded != nullptr ||
            product.then.weight.rounded != nullptr) {
            return multiply_stored<Bfloat16>(product, n, first, last, for_rows);
        }
    }
    multiply_stored<T>(product, n, first, last, for_rows);
}

/// simd's partial accesses, for a number of lanes that may be below 0.
FASTNOTES_INLINE std::size_t lanes_of(index_t n) {
    return static_cast<std::size_t>(std::max<index_t>(n, 0));
}
template <class T>
FASTNOTES_INLINE simd::Vec<T> load_partial(const T* from, index_t n) {
    return simd::load_partial<simd::Vec<T>>(from, lanes_of(n));
}
template <class T>
FASTNOTES_INLINE void store_partial(T* to, simd::Vec<T> value, index_t n) {
    simd::store_partial(to, value, lanes_of(n));
}

/// Threads worth starting, and how they share a step.
///
/// By rows: each thread runs its own sequences and never waits, but streams all
/// weights. By units: each thread owns panels of units and its part of the weights, and
/// the team meets once a step. One thread works by units, alone. Every step reads
/// n_gates H step_depth weights.
struct Split {
    int n_threads;
    bool by_rows;
};
Split choose_split(const Sizes& sizes, index_t n_gates, index_t step_depth,
                   const Schedule& schedule, int n_threads,
                   index_t unit_shares) noexcept;

/// The sorted rows of a step that a thread owns when the team splits by rows: its share
/// of all, or where some end before others every size-th of some equal blocks, so that
/// long and short sequences mix. f(first, last).
template <class F>
void for_each_own_rows(const Team& team, const Schedule& schedule, index_t batch,
                       index_t active, F&& f) {
    const index_t share = nn::tile_rows * static_cast<index_t>(team.size);
    const index_t blocks = team.size * (schedule.ragged() ? ceil_div(batch, share) : 1);
    for (index_t i = team.index; i < blocks; i += team.size) {
        const index_t first = batch * i / blocks;
        const index_t last = std::min(batch * (i + 1) / blocks, active);
        if (first < last) f(first, last);
    }
}

} // namespace fastnotes::recurrent::detail
