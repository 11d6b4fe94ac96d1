/// How an (outer, K, inner) array is summed, and who works where.
///
/// The order of a sum follows from K alone: chunks of K, in each chunk `slices` that
/// take every slices-th term, in each slice steps of 8. Slices are merged in a fixed
/// tree, then chunks. So a column has the same bytes alone, among others, in any
/// layout, with any tiles and on any device.
#pragma once

#include "common/cuda.cuh"

#include <algorithm>

namespace fastnotes::evidence::cuda {

/// The part of the order that follows from K.
struct Order {
    static constexpr index_t slice_length = 64; // terms of a slice, while 32 suffice
    static constexpr int max_slices = ::fastnotes::cuda::warp_size;
    static constexpr index_t max_chunks = 8192;

    index_t chunk, n_chunks;
    int slice_bits = 0; // slices = 2^slice_bits

    explicit Order(index_t count) noexcept {
        constexpr index_t least = slice_length * max_slices;
        chunk = std::max(least, round_up(ceil_div(count, max_chunks), index_t{256}));
        n_chunks = std::max<index_t>(1, ceil_div(count, chunk));
        while (slices() < max_slices && slices() * slice_length < count) ++slice_bits;
    }
    int slices() const noexcept { return 1 << slice_bits; }
};

/// One slice of one sum: what a thread takes in at once.
struct Unit {
    index_t at; // place of its first element; the others follow at Tiles::step
    int size;   // elements, 0 for a unit outside the array
    int part;   // its place among the parts of the tile
    int column; // its sum's place among the columns of the tile
};

/// A tile is what a block of threads works on at once: planes x slices x columns. A
/// plane is a chunk of one outer index. Neighbouring units are neighbours in memory:
/// columns first, then slices.
struct Tiles {
    index_t outer, count, inner;
    index_t chunk, n_chunks;
    int slice_bits;
    int planes, width;       // of a tile
    index_t pieces, n_tiles; // tiles that share a plane; all tiles
    int length;              // elements of the longest slice
    index_t step;            // distance between two elements of a slice

    Tiles(index_t outer_, index_t count_, index_t inner_, int max_units) noexcept
        : outer(outer_), count(count_), inner(inner_) {
        const Order order(count);
        chunk = order.chunk;
        n_chunks = order.n_chunks;
        slice_bits = order.slice_bits;
        const index_t widest = std::max(1, max_units >> slice_bits);
        pieces = ceil_div(inner, widest);
        width = static_cast<int>(
            pieces == 1
                ? inner
                : std::min(widest, round_up(ceil_div(inner, pieces), index_t{8})));
        pieces = ceil_div(inner, width);
        planes =
            pieces > 1 ? 1 : static_cast<int>(std::min(widest / width, all_planes()));
        n_tiles = ceil_div(all_planes(), planes) * pieces;
        length = static_cast<int>(ceil_div(std::min(count, chunk), slices()));
        step = inner << slice_bits;
    }

    __host__ __device__ index_t all_planes() const { return outer * n_chunks; }
    __host__ __device__ int slices() const { return 1 << slice_bits; }
    __host__ __device__ int units() const { return planes * width << slice_bits; }
    __host__ __device__ int columns() const { return planes * width; }
    /// Columns are padded to an odd number, so that a warp that reads one column's
    /// slices meets every bank once.
    __host__ __device__ int pitch() const { return width | 1; }
    __host__ __device__ int parts() const { return planes * pitch() << slice_bits; }

    /// First plane and column of a tile.
    struct Corner {
        index_t plane, column;
    };
    __device__ Corner corner(index_t tile) const {
        if (pieces == 1) return {tile * planes, 0};
        return {tile / pieces, tile % pieces * width};
    }

    __device__ Unit unit(Corner corner, int u) const {
        const unsigned wide = static_cast<unsigned>(width);
        const int rest = static_cast<int>(static_cast<unsigned>(u) / wide);
        const int c = u - rest * width;
        const int s = rest & (slices() - 1), p = rest >> slice_bits;
        const index_t plane = corner.plane + p, column = corner.column + c;
        index_t first = 0, o = plane;
        if (n_chunks > 1) {
            o = plane / n_chunks;
            first = plane % n_chunks * chunk;
        }
        const index_t left = count - first;
        const int rows = static_cast<int>(left < chunk ? left : chunk);
        const bool inside = plane < all_planes() && column < inner && s < rows;
        return {(o * count + first + s) * inner + column,
                inside ? (rows - s + slices() - 1) >> slice_bits : 0,
                rest * pitch() + c, p * width + c};
    }

    /// As unit, where a block may have more threads than the tile has units.
    __device__ Unit unit_or_none(Corner corner, int u) const {
        return u < units() ? unit(corner, u) : Unit{0, 0, -1, 0};
    }

    /// Place of a tile's column in an array [all_planes, inner], -1 if outside; with
    /// one chunk this is its place among the results.
    __device__ index_t output(Corner corner, int column) const {
        const index_t plane = corner.plane + column / width;
        const index_t c = corner.column + column % width;
        return plane < all_planes() && c < inner ? plane * inner + c : -1;
    }
};

} // namespace fastnotes::evidence::cuda
