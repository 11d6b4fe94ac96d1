/// Gradient of a graph product by the weights of the graph.
#pragma once

#include "common/cuda.hpp"
#include "graph/csr.hpp"
#include "graph/laplacian_matmul.hpp"

namespace fastnotes::graph {

/// How an operator op(A) is normalised, for its derivative by the weights of A.
///
/// op = sign * S A' S + constants with S = diag(scale) on both sides (`symmetric`), or
/// S A' on the left alone, where A' is A, or A~ of node_degrees if `raised` is given.
struct GraphNormalization {
    Csr structure;
    const double* weights; ///< [entries] or null: ones
    const double* degree;  ///< [rows] row sums of A'
    const double* scale;   ///< [rows] degree^-1/2 if symmetric, else degree^-1; 0 at 0
    const double* raised;  ///< [rows] or null: what A' adds to the diagonal of A
    const double* fixed;   ///< [rows] or null: constants on op's diagonal
    double sign;
    bool symmetric;
};

/// dweights[e] = d sum(dY * (op X)) / d weights[e], the degrees' part included.
///
///   op        in, square
///   X         [n, F] T, in
///   dY        [n, F] T, in
///   dX        [n, F] T, in: op^T dY, used if op.symmetric
///   dweights  [entries] T, out, overwritten; apart from the inputs
///
/// With e_ij = sign * scale_i * scale_j * <dY_i, X_j> (the second scale only if
/// symmetric) the gradient is e_ij + h_i, where h_i is the derivative by degree i:
///
///   symmetric  h_i = -(<dY_i, y_i> + <X_i, dX_i>) / (2 degree_i), without the parts
///              of y_i = (op X)_i and dX_i that come from `fixed`
///   else       h_i = -<dY_i, y_i> / degree_i
///
/// An entry (i, j) is an independent variable: for an undirected edge add the
/// gradients of (i, j) and (j, i). Where the diagonal was raised (raised_i > 0) that of
/// (i, i) is 0; at A_ii = 1 the larger side counts, i.e. the loop is free to grow. Rows
/// of degree 0 have gradient 0.
///
/// Dots in T over fixed lanes, sums over a row in f64 in stored order; independent of
/// n_threads. O(entries * F). Precision class: composite.
///
/// Source: quotient rule on D^-1/2 A D^-1/2; a sampled dense-dense product (SDDMM).
template <class T>
void edge_weight_gradients(const GraphNormalization& op, View2<const T> X,
                           View2<const T> dY, View2<const T> dX, T* dweights,
                           int n_threads) noexcept;

namespace cuda {

/// Bytes of scratch for the gradients of a graph with these long rows.
index_t edge_weight_gradients_scratch(const LongRows& long_rows) noexcept;

/// The same gradients on a CUDA device.
///
///   op         in, trusted: its arrays have been checked on the host
///   long_rows  in: those of op.structure
///   order      [entries] int64, in, distinct, below entries, or null: entry e goes to
///              dweights[order[e]]
///   X, dY, dX  as on the CPU
///   dweights   as on the CPU; in between it holds e_ij
///   scratch    [edge_weight_gradients_scratch] bytes, scratch, aligned for double
///
/// Dots in T over lanes fixed by F alone. Sums over a row in f64: each run of
/// run_entries in stored order, then the runs in order. A warp per run; a row of one
/// run is finished by its warp, longer ones by two small kernels.
template <class T>
fastnotes::cuda::Status
edge_weight_gradients(const GraphNormalization& op, const LongRows& long_rows,
                      const std::int64_t* order, View2<const T> X, View2<const T> dY,
                      View2<const T> dX, T* dweights, void* scratch,
                      fastnotes::cuda::Stream stream) noexcept;

} // namespace cuda

} // namespace fastnotes::graph
