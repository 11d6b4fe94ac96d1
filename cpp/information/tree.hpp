/// A k-d tree in the maximum norm, over points that may coincide in any number.
///
/// A node halves its places at the median of its widest axis, down to leaves of at most
/// `leaf_size`; node i has the children 2i and 2i + 1. Which of several equal points
/// goes left is unspecified; what callers make of the tree must not depend on it.
#pragma once

#include "common/view.hpp"

#include <algorithm>
#include <cmath>

namespace fastnotes::information {

inline constexpr index_t leaf_size = 16;

/// Halvings until leaves are small enough.
inline int tree_levels(index_t n) noexcept {
    int levels = 0;
    while (ceil_div(n, index_t{1} << levels) > leaf_size) ++levels;
    return levels;
}

/// A number and the row it belongs to.
struct Ranked {
    double value;
    index_t row;
};

/// What a tree keeps: doubles [tree_doubles(size, dims)], rows [size]; and keys [size]
/// that only its building needs.
struct TreeScratch {
    double* doubles;
    index_t* rows;
    Ranked* keys;
};

inline index_t tree_doubles(index_t n, index_t dims) noexcept {
    return (dims * (leaf_size + 4)) << tree_levels(n);
}

/// Places [first, last) of a node.
struct Places {
    index_t first, last;

    index_t size() const noexcept { return last - first; }
    Places half(bool right) const noexcept {
        const index_t middle = first + size() / 2;
        return right ? Places{middle, last} : Places{first, middle};
    }
};

struct Tree {
    index_t size;
    index_t dims;
    int levels;
    double* coordinates; ///< [leaves, dims, leaf_size], +inf behind the last of a leaf
    double* boxes;       ///< [2 leaves, 2, dims] least and greatest of each node
    index_t* rows;       ///< [size] row of the point at each place

    const double* least(index_t node) const noexcept { return boxes + 2 * node * dims; }
    const double* greatest(index_t node) const noexcept { return least(node) + dims; }
    index_t leaves() const noexcept { return index_t{1} << levels; }
    bool is_leaf(index_t node) const noexcept { return node >= leaves(); }
    double* line(index_t leaf_node, index_t d) const noexcept {
        return coordinates + ((leaf_node - leaves()) * dims + d) * leaf_size;
    }
};

/// Builds the tree of points [size, dims], finite, size > 0. O(size log size).
Tree build_tree(View2<const double> points, TreeScratch scratch,
                int n_threads) noexcept;

/// Distances from one point; Dims of 0 means as many as the tree says.
template <int Dims> struct Measure {
    const Tree& tree;
    const double* point;

    index_t dims() const noexcept { return Dims > 0 ? Dims : tree.dims; }

    /// To the nearest and to the farthest corner of a node's box.
    double nearest(index_t node) const noexcept {
        const double* const least = tree.least(node);
        const double* const greatest = tree.greatest(node);
        double distance = 0;
        for (index_t d = 0; d < dims(); ++d) {
            const double below = least[d] - point[d], above = point[d] - greatest[d];
            distance = std::max(distance, std::max(below, above));
        }
        return distance;
    }
    double farthest(index_t node) const noexcept {
        const double* const least = tree.least(node);
        const double* const greatest = tree.greatest(node);
        double distance = 0;
        for (index_t d = 0; d < dims(); ++d) {
            const double up = greatest[d] - point[d], down = point[d] - least[d];
            distance = std::max(distance, std::max(up, down));
        }
        return distance;
    }

    /// To each place of a leaf; +inf behind its last.
    void each(index_t leaf_node, double* distances) const noexcept {
        for (index_t j = 0; j < leaf_size; ++j) distances[j] = 0;
        for (index_t d = 0; d < dims(); ++d) {
            const double* const line = tree.line(leaf_node, d);
            for (index_t j = 0; j < leaf_size; ++j) {
                distances[j] = std::max(distances[j], std::fabs(line[j] - point[d]));
            }
        }
    }
};

} // namespace fastnotes::information
