/// Degrees and their powers: all of a normalised adjacency that is not its structure.
#pragma once

#include "graph/csr.hpp"

namespace fastnotes::graph {

/// First weight that is no weight, or first node whose degree is out of range.
struct WeightFault {
    enum class Kind { none, weight, degree } kind;
    index_t position; ///< entry or node
};

/// Degrees of the nodes and the factor that normalises by them.
///
///   a        in, square
///   weights  [entries] f64, in, or null: ones
///   raised   [rows] f64, out, overwritten, or null. If given, the adjacency counts as
///            A~ = A with its diagonal (duplicates summed) raised to at least 1, and
///            raised[i] = max(0, 1 - A_ii) is what that adds
///   degree   [rows] f64, out, overwritten: row sums of A, or of A~
///   scale    [rows] f64, out, overwritten: degree^-1/2, or degree^-1 if `inverse`;
///            0 where the degree is 0
///
/// A weight must be finite and not negative, and each degree and its inverse finite;
/// else the outputs are unspecified. The fault reported is the first weight by
/// position, or the first degree. Sums in f64 in stored order: exact for unweighted
/// graphs. O(rows + entries).
///
/// Source: Kipf and Welling 2017, section 2 (the renormalisation trick) and eq. 9.
WeightFault node_degrees(const Csr& a, const double* weights, bool inverse,
                         double* raised, double* degree, double* scale,
                         int n_threads) noexcept;

/// values[e] = row_scale[i] * weights[e] * column_scale[j] for each entry e = (i, j).
///
///   weights       [entries] f64, in, or null: ones
///   row_scale     [rows] f64, in
///   column_scale  [columns] f64, in, or null: ones
///   values        [entries] T, out, overwritten; rounded once from f64
template <class T>
void normalized_values(const Csr& a, const double* weights, const double* row_scale,
                       const double* column_scale, T* values, int n_threads) noexcept;

} // namespace fastnotes::graph
