/// What one thread does of a matrix product: a rectangle of rows x panels.
/// Header only; rooms that run their own parallel regions call multiply_part directly.
///
/// Order. depth is cut into blocks of depth_block; a block's sum is one chain from zero
/// (gemm_kernel.hpp), and block sums are added in ascending order:
///
///     out = [out +] block 0;  out = out + block 1;  ...  ;  out = map(out + last
///     block)
///
/// The block length is part of the result's definition, so it is one constant for every
/// level, type, shape and thread count. Short chains also keep the rounding error of
/// long sums at (depth_block + depth / depth_block) eps |a||b| at the most.
#pragma once

#include "nn/gemm_kernel.hpp"

#include <algorithm>
#include <cstring>

namespace fastnotes::nn {

inline constexpr index_t depth_block = 256;

/// Rows that go through a block of panels together: their A block stays in L2.
inline constexpr index_t row_block = 192;

/// A matrix whose rows are `stride` values apart (stride >= columns, values adjacent).
template <class T> struct Matrix {
    T* data;
    index_t rows;
    index_t columns;
    index_t stride;

    T* row(index_t i) const noexcept { return data + i * stride; }
    operator Matrix<const T>() const noexcept { return {data, rows, columns, stride}; }
};

/// Rows [first_row, last_row) and panels [first_panel, last_panel) of a product.
struct Part {
    index_t first_row, last_row;
    index_t first_panel, last_panel;
};

template <class T> constexpr index_t panel_count(index_t columns) {
    return ceil_div(columns, panel_columns<T>);
}

/// Width in memory of panel p: whole registers.
template <class T> constexpr index_t panel_width(index_t columns, index_t p) {
    const index_t left = columns - p * panel_columns<T>;
    return std::min(panel_columns<T>, round_up(left, simd::lanes<T>));
}

/// Values in all panels of a [depth, columns] matrix.
template <class T> constexpr index_t packed_size(index_t depth, index_t columns) {
    return depth * round_up(columns, simd::lanes<T>);
}

// ---------------------------------------------------------------- packing

/// Steps [0, depth) of one panel: to[k * width + j] = from[k * stride + j], zeros from
/// `columns` to `width`.
template <class T>
void pack_panel(const T* from, index_t stride, index_t depth, index_t columns,
                index_t width, T* to) noexcept {
    using V = simd::Vec<T>;
    const index_t last = width - V::size;
    const auto in_last = static_cast<std::size_t>(columns - last);
    with_constant<panel_vectors>(width / V::size, [&](auto vector_count) {
        constexpr index_t vectors = decltype(vector_count)::value;
        for (index_t k = 0; k < depth; ++k, from += stride, to += vectors * V::size) {
            for (index_t v = 0; v + 1 < vectors; ++v)
                simd::store(to + v * V::size, simd::load<V>(from + v * V::size));
            simd::store(to + last, simd::load_partial<V>(from + last, in_last));
        }
    });
}

/// The same from the transposed matrix: to[k * width + j] = from[j * stride + k].
template <class T>
void pack_panel_transposed(const T* from, index_t stride, index_t depth,
                           index_t columns, index_t width, T* to) noexcept {
    constexpr index_t step = 16; // a cache line of k for every column
    for (index_t first = 0; first < depth; first += step) {
        const index_t last = std::min(first + step, depth);
        for (index_t j = 0; j < width; ++j) {
            for (index_t k = first; k < last; ++k)
                to[k * width + j] = j < columns ? from[j * stride + k] : T(0);
        }
    }
}

/// Rows of A for tiles [first_tile, last_tile) of `tiles`, from a matrix that holds A
/// transposed: a(r, k) = from[k * stride + r]. Tile t lies at to + tiles.first(t) *
/// depth.
template <class T>
void pack_rows_transposed(const T* from, index_t stride, index_t depth, RowTiles tiles,
                          index_t first_tile, index_t last_tile, T* to) noexcept {
    constexpr index_t step = 8;
    for (index_t first = 0; first < depth; first += step) {
        const index_t last = std::min(first + step, depth);
        for (index_t t = first_tile; t < last_tile; ++t) {
            const index_t row = tiles.first(t);
            with_constant<tile_rows>(tiles.first(t + 1) - row, [&](auto height) {
                constexpr index_t rows = decltype(height)::value;
                T* tile = to + row * depth;
                for (index_t k = first; k < last; ++k) {
                    const index_t soon = std::min(k + 2 * step, depth - 1);
                    simd::prefetch(from + soon * stride + row);
                    std::memcpy(tile + k * rows, from + k * stride + row,
                                sizeof(T) * rows);
                }
            });
        }
    }
}

// ---------------------------------------------------------------- operands of a part

/// Rows read where they are.
template <class T> struct PlainRows {
    static constexpr index_t block = row_block;
    Matrix<const T> a;
    index_t row = 0, step = 0;

    void open(index_t first_row, index_t, index_t k, index_t) noexcept {
        row = first_row;
        step = k;
    }
    template <index_t Rows> RowMajor<T> tile(index_t first) const noexcept {
        return {a.row(row + first) + step, a.stride};
    }
};

/// Rows of the transpose of `a`, packed block by block into `buffer`
/// [min(block, rows) * min(depth_block, depth)].
template <class T> struct TransposedRows {
    static constexpr index_t block = 170 * tile_rows;
    Matrix<const T> a;
    T* buffer;
    index_t depth = 0;

    void open(index_t first_row, index_t rows, index_t k, index_t length) noexcept {
        depth = length;
        const RowTiles tiles(rows);
        pack_rows_transposed(a.row(k) + first_row, a.stride, length, tiles, 0,
                             tiles.count, buffer);
    }
    template <index_t Rows> PackedRows<T, Rows> tile(index_t first) const noexcept {
        return {buffer + first * depth};
    }
};

/// All panels of a [depth, columns] matrix, packed beforehand.
template <class T> struct PackedPanels {
    const T* data;
    index_t depth;
    index_t columns;

    PanelGroup<T> open_group(index_t p, index_t k) const noexcept {
        const index_t size = panel_columns<T> * depth;
        return {data + p * size + k * panel_columns<T>, panel_columns<T>, size};
    }

    Panel<T> open(index_t p, index_t k, index_t) const noexcept {
        const index_t width = panel_width<T>(columns, p);
        return {data + p * panel_columns<T> * depth + k * width, width};
    }
};

/// Panels of a matrix as it is, packed as they are met into `buffer` [panel_columns *
/// min(depth_block, depth)] where many rows read them: there their lines would fight
/// for few sets of the first-level cache. For few rows only a narrow last one is
/// packed.
template <class T> struct PlainPanels {
    static constexpr index_t many_rows = 4 * tile_rows;
    Matrix<const T> b;
    T* buffer;
    bool packs;

    PanelGroup<T> open_group(index_t p, index_t k) const noexcept {
        return {b.row(k) + p * panel_columns<T>, b.stride, panel_columns<T>};
    }
    Panel<T> open(index_t p, index_t k, index_t length) const noexcept {
        const index_t first = p * panel_columns<T>;
        const index_t columns = b.columns - first;
        if (columns >= panel_columns<T> && !packs) return {b.row(k) + first, b.stride};
        const index_t width = panel_width<T>(b.columns, p);
        pack_panel(b.row(k) + first, b.stride, length, columns, width, buffer);
        return {buffer, width};
    }
};

// ---------------------------------------------------------------- the part

namespace detail {

/// One block of rows against one block of one panel; `store` is at the block's corner.
template <class T, class Left, class Right, class Map>
void multiply_tiles(const Left& left, Right right, index_t length, RowTiles tiles,
                    index_t vectors, const Store<T, Map>& store) noexcept {
    with_constant<panel_vectors>(vectors, [&](auto vector_count) {
        constexpr index_t vecs = decltype(vector_count)::value;
        for (index_t t = 0; t < tiles.count; ++t) {
            const index_t first = tiles.first(t);
            auto below = store;
            below.data += first * store.stride;
            below.row += first;
            with_constant<tile_rows>(tiles.first(t + 1) - first, [&](auto row_count) {
                constexpr index_t rows = decltype(row_count)::value;
                micro_tile<T, rows, vecs>(left.template tile<rows>(first), right,
                                          length, StartAtZero(), below);
            });
        }
    });
}

/// Every panel of `part` against one block of rows and one block of k; `store` is at
/// column 0 of the block's first row.
template <class T, class Left, class Right, class Map>
void multiply_block(const Left& left, const Right& right, index_t k, index_t length,
                    index_t rows, Part part, const Store<T, Map>& store) noexcept {
    constexpr index_t group = chains_in_flight / panel_vectors;
    const index_t full = std::min(part.last_panel, store.columns / panel_columns<T>);
    for (index_t p = part.first_panel; p < part.last_panel;) {
        auto here = store;
        here.column = p * panel_columns<T>;
        here.data += here.column;
        here.columns -= here.column;
        if (rows == 1 && p + group <= full) {
            micro_tile<T, 1, chains_in_flight>(left.template tile<1>(0),
                                               right.open_group(p, k), length,
                                               StartAtZero(), here);
            p += group;
            continue;
        }
        multiply_tiles<T>(left, right.open(p, k, length), length, RowTiles(rows),
                          panel_width<T>(store.columns, p) / simd::lanes<T>, here);
        ++p;
    }
}

} // namespace detail

/// out(i, j) = map([out(i, j) +] sum over k < depth of left(i, k) right(k, j)) for the
/// rows and panels of `part`, in the order written above. depth 0 counts as an empty
/// sum. `left` and `right` are operands of this file, owned by the calling thread.
template <class T, class Left, class Right, class Map>
void multiply_part(Left left, Right right, index_t depth, Matrix<T> out, Part part,
                   bool accumulate, const Map& map) noexcept {
    const index_t steps = std::max<index_t>(1, ceil_div(depth, depth_block));
    for (index_t i = part.first_row; i < part.last_row; i += Left::block) {
        const index_t rows = std::min(Left::block, part.last_row - i);
        for (index_t step = 0; step < steps; ++step) {
            const index_t k = step * depth_block;
            const index_t length = std::min(depth_block, depth - k);
            left.open(i, rows, k, length);
            const auto finish = [&](auto last) {
                const Store<T, decltype(last)> store{
                    out.row(i), out.stride, out.columns, accumulate || step > 0,
                    last,       i};
                detail::multiply_block(left, right, k, length, rows, part, store);
            };
            if (step + 1 < steps) {
                finish(Identity());
            } else {
                finish(map);
            }
        }
    }
}

/// The share of thread `index` of `size` in a product of `rows` rows: the grid of rows
/// x panels whose largest share costs least, counting what each share reads or packs.
template <class T>
Part share_of_product(index_t rows, index_t columns, int index, int size) noexcept {
    const index_t panels = panel_count<T>(columns);
    index_t best_cost = -1, across = 1, down = 1;
    for (index_t c = 1; c <= size; ++c) {
        const index_t r = size / c;
        const index_t wide = ceil_div(panels, c) * panel_columns<T>;
        const index_t high = ceil_div(rows, r);
        const index_t cost = high * wide + 4 * (high + wide);
        if (best_cost < 0 || cost < best_cost) {
            best_cost = cost;
            across = c;
            down = r;
        }
    }
    if (index >= across * down) return {0, 0, 0, 0};
    const index_t r = index / across, c = index % across;
    return {rows * r / down, rows * (r + 1) / down, panels * c / across,
            panels * (c + 1) / across};
}

} // namespace fastnotes::nn
