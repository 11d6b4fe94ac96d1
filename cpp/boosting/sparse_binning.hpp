/// Thresholds and bin codes of sparse columns, without their dense form.
#pragma once

#include "boosting/cuts.hpp"
#include "boosting/thresholds.hpp"
#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Compressed columns: entries of column c are offsets(c) .. offsets(c + 1) - 1.
///
///   offsets [n_columns + 1] i64, ascending from 0 to the number of entries
///   rows    [n_entries] i32, strictly increasing within a column, each < n_rows
///   values  [n_entries] T, NaN = missing
template <class T> struct SparseColumns {
    index_t n_rows;
    View1<const std::int64_t> offsets;
    View1<const std::int32_t> rows;
    View1<const T> values;

    index_t n_columns() const noexcept { return offsets.size - 1; }
};

/// Whether the columns are what SparseColumns says. Parallel over columns.
template <class T> bool is_valid(const SparseColumns<T>& X, int n_threads) noexcept;

/// Most thresholds of each column, as offsets into one array: the smaller of
/// max_bin - 1 and the number of entries.
///
///   capacity [n_columns + 1] i64   out, overwritten
void sparse_threshold_capacity(View1<const std::int64_t> offsets, index_t max_bin,
                               View1<std::int64_t> capacity) noexcept;

/// Bytes of fit_sparse_thresholds' scratch; the longest column has most_entries.
template <class T>
index_t sparse_thresholds_scratch(index_t most_entries, int n_threads) noexcept;

/// The thresholds that fit_thresholds gives for the dense form of the columns.
///
///   X          valid                                                          in
///   weights    [n_rows] f64, as for fit_thresholds                            in
///   capacity   as from sparse_threshold_capacity                              in
///   thresholds [capacity(n_columns)] T; those of column c from capacity(c)    out,
///              on, the rest of its place untouched
///   counts     [n_columns] i64, how many a column has                         out,
///              overwritten
///   sample     as for fit_thresholds                                          scratch
///   mass       [n_rows] i64; null data if sample.rows is null                 scratch
///   scratch    [sparse_thresholds_scratch(...)] bytes, aligned as int64       scratch
///
/// absent_is_zero: entries not stored are zeros, and count as rows do; else they are
/// missing. Cost: a sort of each column's entries. Parallel over columns.
template <class T>
void fit_sparse_thresholds(const SparseColumns<T>& X, bool absent_is_zero,
                           index_t max_bin, View1<const double> weights,
                           std::uint64_t seed, View1<const std::int64_t> capacity,
                           T* thresholds, View1<std::int64_t> counts,
                           RowsScratch sample, View1<std::int64_t> mass, void* scratch,
                           int n_threads) noexcept;

/// Codes of the stored entries, as assign_bins gives them, and of 0.
///
///   values      [n_entries] T                                               in
///   offsets     [n_columns + 1] i64, of entries                             in
///   thresholds  [n] T, ascending within a column                            in
///   cut_offsets [n_columns + 1] i64, of thresholds, at most 254 a column    in
///   bins        [n_entries] u8                                              out,
///               overwritten
///   zero_bins   [n_columns] u8                                              out,
///               overwritten
template <class T>
void assign_sparse_bins(View1<const T> values, View1<const std::int64_t> offsets,
                        const T* thresholds, View1<const std::int64_t> cut_offsets,
                        std::uint8_t missing_code, std::uint8_t* bins,
                        std::uint8_t* zero_bins, int n_threads) noexcept;

} // namespace fastnotes::boosting
