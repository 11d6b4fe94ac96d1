/// Margins and leaves of rows.
#pragma once

#include "boosting/forest.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// The trees [first, last) of a model.
struct TreeRange {
    index_t first, last;
};

/// Adds the leaves that a row reaches in the trees of the range, in their order.
///
///   x       [n_features] T, NaN = missing, +-inf ordinary, categories as numbers  in
///   margins [n_outputs] f64                                         in-out, adds
///   values  [forest.n_slots()] f64                                  scratch
///
/// Nothing may overlap. A sum is the sequence of float64 additions in tree order; the
/// kernels of many rows do the same additions.
///
/// Cost: some cycles per level and tree; eight trees are walked side by side.
template <class T>
void add_margins_of_row(const Forest& forest, TreeRange trees, const T* x,
                        double* margins, double* values) noexcept;

/// The same for many rows, by walking: for trees and batches that blocks do not suit.
///
///   X       [n_rows, n_features] T                                  in
///   margins [n_rows, n_outputs] f64                                 in-out, adds
///   values  [n_threads, walk_scratch(forest)] f64                   scratch
template <class T>
void add_margins_by_walk(const Forest& forest, TreeRange trees, View2<const T> X,
                         View2<double> margins, double* values, int n_threads) noexcept;

/// Numbers of the leaves that rows reach, from the root of each tree.
///
///   leaves  [n_rows, trees.last - trees.first] i32                  out, overwritten
template <class T>
void find_leaves_by_walk(const Forest& forest, TreeRange trees, View2<const T> X,
                         View2<std::int32_t> leaves, double* values,
                         int n_threads) noexcept;

index_t walk_scratch(const Forest& forest) noexcept;

} // namespace fastnotes::boosting
