/// Nearest neighbours and balls in the maximum norm, in any number of dimensions.
///
/// Distances are max_d abs(a_d - b_d) of rounded differences. No result depends on the
/// order of the points, or on n_threads. Points are finite.
///
///   points  [n, dims] float64, in, dims > 0
///   scratch of a tree, see there
///
/// Source: Kraskov, Stoegbauer, Grassberger, "Estimating mutual information", 2004.
#pragma once

#include "common/view.hpp"
#include "information/tree.hpp"

#include <cstdint>

namespace fastnotes::information {

/// Distance to the k-th nearest of the points.
///
///   queries   [m, dims] float64, in; null: the points themselves, each without itself
///   k         from 1 to n, below n for the points themselves
///   distance  [m] float64, out, overwritten
///   inside    [m] int64, out, overwritten: how many points are nearer than that
///   nearest   [n_threads, k] float64, scratch
///
/// O((n + m) log n) for points that spread.
void kth_neighbours(View2<const double> points, View2<const double> queries, index_t k,
                    View1<double> distance, View1<std::int64_t> inside,
                    TreeScratch scratch, double* nearest, int n_threads) noexcept;

/// Other points within a radius.
///
///   radius  [n] float64, in, >= 0
///   closed  count those at the radius too; else those nearer, for 0 those that
///   coincide counts  [n] int64, out, overwritten
///
/// Looks at no point of a box that lies wholly inside or outside.
void count_inside(View2<const double> points, View1<const double> radius, bool closed,
                  View1<std::int64_t> counts, TreeScratch scratch,
                  int n_threads) noexcept;

/// Other points no farther than a radius, and how far they reach on each axis.
///
///   radius   [n] float64, in, >= 0
///   counts   [n] int64, out, overwritten
///   extents  [n, dims] float64, out, overwritten; 0 without such points
///
/// Visits each of them, but none for a radius of 0, where any number may coincide: the
/// count then is 0.
void ball_extents(View2<const double> points, View1<const double> radius,
                  View1<std::int64_t> counts, View2<double> extents,
                  TreeScratch scratch, int n_threads) noexcept;

/// Other numbers of the same line within a radius, for many lines at once.
///
///   lines   [lines, n] float64, in, finite
///   radius  [lines, n] float64, in, >= 0
///   closed  count those at the radius too; else those nearer, for 0 those equal
///   counts  [lines, n] int64, out, overwritten
///   ranked  [lines, n], scratch
///
/// Sorts each line and gallops from each number. O(n log n) a line.
void count_on_lines(View2<const double> lines, View2<const double> radius, bool closed,
                    View2<std::int64_t> counts, Ranked* ranked, int n_threads) noexcept;

} // namespace fastnotes::information
