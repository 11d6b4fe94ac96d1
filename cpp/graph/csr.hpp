/// Compressed sparse rows: the one form in which a graph reaches the kernels.
///
/// Row i holds entries indptr[i] .. indptr[i+1]. Columns need be neither sorted nor
/// distinct; entries of one position add up. Column indices are 32-bit (half the memory
/// traffic of a product), row starts 64-bit (graphs may exceed 2^31 entries).
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::graph {

/// Trusted: what check_and_copy_csr has passed.
struct Csr {
    const std::int64_t* indptr;  ///< [rows + 1] from 0, never decreasing
    const std::int32_t* indices; ///< [entries] each in [0, columns)
    index_t rows;
    index_t columns;

    index_t entries() const noexcept { return static_cast<index_t>(indptr[rows]); }
};

/// What check_and_copy_csr found first, and where.
struct CsrFault {
    enum class Kind { none, first_start, decreasing, last_start, column } kind;
    index_t position;
    std::int64_t value;
};

/// Copies a CSR structure of unknown quality into one that kernels may trust.
///
///   indptr       [rows + 1] int32|int64, in; any values
///   indices      [entries]  int32|int64, in; any values
///   columns      columns of the matrix, below 2^31
///   indptr_out   [rows + 1] int64, out, overwritten; apart from the inputs
///   indices_out  [entries]  int32, out, overwritten; apart from the inputs
///
/// Each input value is read once, so that a caller changing it meanwhile cannot slip a
/// bad one past the check. With a fault the outputs are unspecified. The fault reported
/// is the first by position whatever n_threads. O(rows + entries).
template <class Index>
CsrFault check_and_copy_csr(View1<const Index> indptr, View1<const Index> indices,
                            index_t columns, View1<std::int64_t> indptr_out,
                            View1<std::int32_t> indices_out, int n_threads) noexcept;

/// The transposed structure.
///
///   a          in
///   indptr_t   [a.columns + 1] int64, out, overwritten
///   indices_t  [entries] int32, out, overwritten, or null: rows of a, ascending within
///              each column
///   order      [entries] int64, out, overwritten, or null: entry e of the transpose is
///              entry order[e] of a; entries of one position keep their order
///   scratch    [a.columns] int64, scratch
///
/// Counting sort. Threads own ranges of columns, each reading all of `indices`, so at
/// most 8 are used and the result does not depend on their number. O(rows + columns +
/// entries).
void transpose_csr(const Csr& a, std::int64_t* indptr_t, std::int32_t* indices_t,
                   std::int64_t* order, std::int64_t* scratch, int n_threads) noexcept;

/// Row starts of `a` with a diagonal entry added to each row that stores none.
///
///   a           in, square, columns strictly increasing within each row
///   indptr_out  [rows + 1] int64, out, overwritten
void count_with_diagonal(const Csr& a, std::int64_t* indptr_out) noexcept;

/// a + diag(diagonal), every row storing its diagonal.
///
///   a            in, square, columns strictly increasing within each row
///   values       [entries] T, in
///   diagonal     [rows] T, in, or null: zeros
///   indptr_out   [rows + 1] int64, in: from count_with_diagonal
///   indices_out  [indptr_out[rows]] int32, out, overwritten; strictly increasing
///   values_out   [indptr_out[rows]] T, out, overwritten
template <class T>
void add_diagonal(const Csr& a, const T* values, const T* diagonal,
                  const std::int64_t* indptr_out, std::int32_t* indices_out,
                  T* values_out, int n_threads) noexcept;

/// True if the columns of every row are strictly increasing (sorted, no duplicates).
bool is_canonical(const Csr& a) noexcept;

} // namespace fastnotes::graph
