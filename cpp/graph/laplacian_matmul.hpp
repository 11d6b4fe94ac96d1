/// Product of a normalised graph operator with a dense matrix.
#pragma once

#include "common/cuda.hpp"
#include "graph/csr.hpp"

namespace fastnotes::graph {

/// Entries summed one after the other before they join a row's sum.
inline constexpr index_t run_entries = 256;

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

/// What becomes of a product before it is stored, element by element:
/// y = factor (op x) + added_factor added - subtracted.
template <class T> struct Epilogue {
    T factor = 1;
    T added_factor = 0;
    const T* added = nullptr;      ///< [rows, F] or null; apart from Y
    const T* subtracted = nullptr; ///< [rows, F] or null; may be Y
};

/// Elements of the table that a tile of X is packed into.
template <class T>
index_t packed_tile_size(index_t columns, index_t n_features) noexcept;

/// True where packing saves more gather time than it costs: X beyond the caches, and
/// each of its rows gathered often; less often will do where they straddle cache lines.
template <class T> bool worth_packing(const Csr& structure, View2<const T> X) noexcept;

/// Y = op X.
///
///   op       in
///   X        [columns, F] T, in; any F
///   Y        [rows, F] T, out, overwritten; apart from X
///   scratch  [packed_tile_size(columns, F)] T, scratch, best on a cache line: X is
///            scaled and packed there, some columns at a time; null to gather from X in
///            place. Changes no bit of Y
///   epilogue in: what is stored is made of op X; null to store it as it is
///
/// Each element of Y is one chain, in stored order: acc = 0; acc += column_scale_j x_j,
/// or fma(values_e, x_j, acc); times row_scale_i; fma(diagonal_i, x_i, acc). The
/// product column_scale_j x_j is rounded before it is added. An epilogue goes on with
/// factor * y; fma(added_factor, added, y); y - subtracted. So a column of Y depends
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
                      T* scratch, int n_threads,
                      const Epilogue<T>* epilogue = nullptr) noexcept;

namespace cuda {

/// Rows of more than run_entries entries and the runs they are cut into: run k of a row
/// holds its entries from k * run_entries on.
struct LongRows {
    const std::int32_t* rows;      ///< [count] the long rows, ascending
    const std::int64_t* first_run; ///< [count + 1] runs of the long rows before
    const std::int32_t* run_owner; ///< [runs] index into `rows`
    index_t count;
    index_t runs;
};

/// Bytes of scratch for a product. It depends on the alignment of X and Y too.
template <class T>
index_t laplacian_matmul_scratch(const GraphFactors<T>& op, index_t entries,
                                 const LongRows& long_rows, View2<const T> X,
                                 View2<const T> Y) noexcept;

/// Y = op X on a CUDA device: the chains of the CPU twin, so its bytes as well where it
/// has fused multiply-adds in hardware (NaNs may differ in sign and payload).
///
///   op         in, trusted: its arrays have been checked on the host
///   entries    op.structure's, which cannot be asked for on the host
///   long_rows  in: those of op.structure
///   X, Y       as on the CPU; 16-byte rows are read and written as vectors
///   scratch    [laplacian_matmul_scratch] bytes, scratch, on a multiple of 256
///
/// A group of lanes holds 128 bytes of a row's features and adds up its entries; long
/// rows are cut into runs, which other groups sum, and a second kernel adds in order.
/// Features go 128 bytes at a time over all rows, so that more of X stays in the L2.
/// Where its rows are gathered often, X is scaled and packed into scratch first.
/// Cost: gathers F sizeof(T) bytes an entry; reads its index once per 128 bytes of F.
template <class T>
fastnotes::cuda::Status laplacian_matmul(const GraphFactors<T>& op, index_t entries,
                                         const LongRows& long_rows, View2<const T> X,
                                         View2<T> Y, void* scratch,
                                         fastnotes::cuda::Stream stream) noexcept;

} // namespace cuda

} // namespace fastnotes::graph
