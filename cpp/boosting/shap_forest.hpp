/// Trees laid out for Shapley values.
#pragma once

#include "boosting/forest.hpp"
#include "boosting/trees.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

/// Columns on one path; more would need too many quadrature points.
inline constexpr std::int32_t most_path_columns = 1024;

/// A node, numbered from its tree's root, parents first. The edge that leads to a node
/// has the node's number. A path that splits on a column more than once has one
/// condition on it, the conjunction, and the edge's share and state are those so far.
struct PathNode {
    std::int32_t parent, left, right;
    std::int32_t column; ///< among the tree's columns; -1 at a leaf
    std::int32_t above;  ///< last edge above that splits on the same column, or -1
    std::int32_t slot;
    std::int32_t set; ///< number of the category set; -1 at a numeric node
    double threshold;
    double value;
};

struct PathTree {
    index_t first_node, n_nodes;
    index_t first_column, n_columns; ///< in ShapForest::columns
    std::int32_t output;
    std::int32_t n_points; ///< of the quadrature
};

struct ShapForest {
    index_t n_features = 0, n_outputs = 0;
    std::vector<PathTree> trees;
    std::vector<PathNode> nodes;
    /// Of each node: how much of the cover is left on the column's side of the path.
    std::vector<double> share;
    std::vector<std::int32_t> columns; ///< columns of each tree
    std::vector<Slot> slots;           ///< NaN is -inf where missing goes left
    std::vector<CategorySet> sets;
    std::vector<std::uint32_t> words;
    std::vector<double> expectation; ///< of each output over the covers, no base score
    /// Gauss-Legendre points of [0, 1] and weights; n of them start at n (n - 1) / 2.
    std::vector<double> points, weights;
    index_t most_nodes = 1, most_columns = 0, most_path = 0;
};

enum class ShapStatus { ok, path_too_long };

/// Lays out trees that can_be_followed. A host function: it allocates, and throws
/// std::bad_alloc.
ShapStatus make_shap_forest(const Trees& trees, ShapForest& out);

} // namespace fastnotes::boosting
