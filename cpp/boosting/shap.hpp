/// Exact Shapley values of trees, and their interaction values.
#pragma once

#include "boosting/shap_forest.hpp"

namespace fastnotes::boosting {

/// Values of the forest's slots in rows, which explain() takes as a background.
///
///   X       [n_rows, n_features] T, NaN = missing               in
///   values  [n_rows, n_slots] f64                               out, overwritten
template <class T>
void fill_background(const ShapForest& forest, View2<const T> X,
                     View2<double> values) noexcept;

/// Elements of explain's scratch.
index_t shap_scratch(const ShapForest& forest, bool interactions,
                     int n_threads) noexcept;

/// Contributions of the columns to each margin: without a background, to the margin in
/// expectation over the covers of branches on unknown columns (path-dependent); with
/// one, to the mean margin with unknown columns taken from its rows (interventional).
///
///   X             [n_rows, n_features] T, NaN = missing                          in
///   background    [n_background, n_slots] f64 of fill_background, or null data   in
///   base          [n_outputs] f64, the margins where no column is known          in
///   contributions [n_rows, n_outputs, n_features + 1] f64, the base
///                 value last                                          out, overwritten
///   interactions  [n_rows * n_outputs, n_features + 1, n_features + 1] f64, or
///                 null data                                           out, overwritten
///   scratch       [shap_scratch(...)] f64                             scratch
///
/// A row's contributions add up to its margin. Its interactions are symmetric, and
/// their rows add up to its contributions.
///
/// Method: a leaf of value v counts in a coalition S as v times, for every column of
/// its path, o (whether the row is on the path's side of it) if the column is in S, and
/// z (the share of the cover, or whether a background row is there) if not. The
/// multilinear extension of that product is a polynomial in the probability t that a
/// column is in S, and the Shapley value of column i is its integral:
///     (o_i - z_i) v  integral over [0, 1] of  product over j != i of z_j (1-t) + o_j t
/// A Gauss-Legendre rule of ceil(d / 2) points is exact for a path of d columns. For
/// one point, the products are passed down the tree and their sums up, so that all
/// columns of all leaves cost a few operations per edge. Every factor is in [0, 1]:
/// there is no cancellation, and no division by a factor.
///
/// Cost: edges x (depth / 2) x a few flops per row, and background row. Parallel over
/// blocks of rows; neither they nor n_threads change a bit of the result.
/// Source: Owen 1972, "Multilinear extensions of games"; Lundberg et al. 2018,
/// "Consistent individualized feature attribution for tree ensembles"; the sums over
/// subtrees as in Yu et al. 2022, "Linear TreeShap".
template <class T>
void explain(const ShapForest& forest, View2<const T> X, View2<const double> background,
             View1<const double> base, View3<double> contributions,
             View3<double> interactions, double* scratch, int n_threads) noexcept;

} // namespace fastnotes::boosting
