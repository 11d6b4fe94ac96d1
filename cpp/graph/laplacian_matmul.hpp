/// Product of a normalised graph operator with a dense matrix.
#pragma once

#include "graph/csr.hpp"

namespace fastnotes::graph {

/// y_i = diagonal_i x_i + row_scale_i sum_e values_e column_scale_j x_j, where e runs
/// over the entries (i, j) of row i in stored order. A null factor stands for ones, a
/// null diagonal for zeros. `values` is null for an unweighted graph, whose normalised
/// entries are never formed; with `values` both scales are null.
template <class T> struct GraphFactors {
    Csr structure;
    const T* values;       ///< [entries] or null
    const T* row_scale;    ///< [rows] or null
    const T* column_scale; ///< [columns] or null
    const T* diagonal;     ///< [rows] or null; then square
};

/// Elements of the table that a tile of X is packed into.
template <class T>
index_t packed_tile_size(index_t columns, index_t n_features) noexcept;

/// True where packing saves more gather time than it costs: X beyond the caches, and
/// each of its rows gathered many times.
template <class T>
bool worth_packing(const Csr& structure, index_t n_features) noexcept;

/// Y = op X.
///
///   op       in
///   X        [columns, F] T, in; any F
///   Y        [rows, F] T, out, overwritten; apart from X
///   scratch  [packed_tile_size(columns, F)] T, scratch, best on a cache line: X is
///            scaled and packed there, some columns at a time; null to gather from X in
///            place. Changes no bit of Y
///
/// Each element of Y is one chain, in stored order: acc = 0; acc += column_scale_j x_j,
/// or fma(values_e, x_j, acc); times row_scale_i; fma(diagonal_i, x_i, acc). The
/// product column_scale_j x_j is rounded before it is added. So a column of Y depends
/// on that column of X alone and a row on the row's entries alone, bit for bit: not on
/// n_threads, F, scratch or other rows. A row without entries is diagonal_i x_i, or 0.
/// NaN and infinity spread as the formula says, also through factors that are 0.
///
/// Precision class: reduction, |error| <= (min(entries of the row, 256) +
/// entries / 256 + 4) eps sum |terms|.
/// Cost: 2 entries F flops; reads 4 (+ sizeof(T) if weighted) bytes an entry and
/// gathers F sizeof(T) bytes for each. Large Y is stored past the caches.
///
/// Source: Kipf and Welling 2017, eq. 2 and 9; the transpose is the same product over
/// the transposed structure with the two scales exchanged.
template <class T>
void laplacian_matmul(const GraphFactors<T>& op, View2<const T> X, View2<T> Y,
                      T* scratch, int n_threads) noexcept;

} // namespace fastnotes::graph
