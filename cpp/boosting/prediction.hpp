/// Margins and leaves of rows.
#pragma once

#include "boosting/byte_forest.hpp"
#include "boosting/forest.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// A model, laid out for one row and for many.
struct Model {
    Forest forest;
    ByteForest bytes;
};

/// Adds the leaves that a row reaches in the trees of a range, in their order.
///
///   x       [n_features] T, NaN = missing, +-inf ordinary, categories as numbers  in
///   margins [n_outputs] f64                                         in-out, adds
///   values  [forest.n_slots()] f64                                  scratch
///
/// Nothing may overlap. A sum is the sequence of float64 additions in tree order; the
/// kernel of many rows does the same additions.
///
/// Cost: some cycles per level and tree; eight trees are walked side by side.
template <class T>
void add_margins_of_row(const Forest& forest, TreeRange trees, const T* x,
                        double* margins, double* values) noexcept;

/// Scratch of the kernels of many rows, in elements.
struct BatchSize {
    index_t bytes, values;
};
BatchSize batch_scratch(const Model& model, int n_threads) noexcept;

struct BatchScratch {
    std::int8_t* bytes;
    double* values;
};

/// The same for many rows.
///
///   X       [n_rows, n_features] T                                  in
///   margins [n_rows, n_outputs] f64                                 in-out, adds
///
/// Cost: codes of a block of rows once per group of trees, then about one byte compare
/// and one select per node for a register of rows, and two instructions per tree and
/// row for its value. Trees of more than 256 leaves are walked. Parallel over blocks of
/// rows; neither they nor n_threads change a bit of the result.
template <class T>
void add_margins(const Model& model, TreeRange trees, View2<const T> X,
                 View2<double> margins, const BatchScratch& scratch,
                 int n_threads) noexcept;

/// Numbers of the leaves that rows reach, from the root of each tree.
///
///   leaves  [n_rows, trees.last - trees.first] i32                  out, overwritten
template <class T>
void find_leaves(const Model& model, TreeRange trees, View2<const T> X,
                 View2<std::int32_t> leaves, const BatchScratch& scratch,
                 int n_threads) noexcept;

} // namespace fastnotes::boosting
