/// The arrays of a Python TreeEnsemble as the views of boosting::Trees.
#pragma once

#include "bindings/arrays.hpp"
#include "boosting/trees.hpp"

#include <limits>
#include <string>

namespace fastnotes {

/// Views of the ensemble's attributes, whose shapes, dtypes and indices are checked.
/// The arrays live as long as the ensemble.
inline boosting::Trees as_trees(const py::object& ensemble, const char* where) {
    const auto view = [&](auto kind, const char* name) {
        // The frozen ensemble keeps the array alive.
        return as_view<const decltype(kind), 1>(ensemble.attr(name), where, name);
    };
    boosting::Trees trees{};
    trees.n_features = ensemble.attr("n_features").cast<index_t>();
    trees.base_score = view(double{}, "base_score");
    trees.tree_offsets = view(std::int64_t{}, "tree_offsets");
    trees.tree_output = view(std::int32_t{}, "tree_output");
    trees.feature = view(std::int32_t{}, "feature");
    trees.threshold = view(double{}, "threshold");
    trees.left = view(std::int32_t{}, "left");
    trees.right = view(std::int32_t{}, "right");
    trees.default_left = view(bool{}, "default_left");
    trees.value = view(float{}, "value");
    trees.cover = view(float{}, "cover");
    trees.category_offsets = view(std::int64_t{}, "category_offsets");
    trees.category_words = view(std::uint32_t{}, "category_words");
    const index_t n_nodes = trees.n_nodes();
    check_extent(trees.tree_offsets.size, trees.n_trees() + 1, where,
                 "tree_offsets of size n_trees + 1");
    check_extent(trees.category_offsets.size, n_nodes + 1, where,
                 "category_offsets of size n_nodes + 1");
    for (const index_t size :
         {trees.threshold.size, trees.left.size, trees.right.size,
          trees.default_left.size, trees.value.size, trees.cover.size}) {
        check_extent(size, n_nodes, where, "arrays of nodes of size n_nodes");
    }
    constexpr index_t most = std::numeric_limits<std::int32_t>::max();
    if (trees.n_features < 0 || trees.n_features > most / 2 || n_nodes > most - 2) {
        fail(where, "fewer than 2^31 nodes and 2^30 columns", std::to_string(n_nodes));
    }
    if (trees.base_score.size == 0 || !boosting::can_be_followed(trees)) {
        fail(where, "trees whose links stay within them", "others");
    }
    return trees;
}

} // namespace fastnotes
