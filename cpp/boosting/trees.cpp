#include "boosting/trees.hpp"

#include <cmath>
#include <vector>

namespace fastnotes::boosting {
namespace {

/// Whether offsets rise from 0 to last by at least `least` each.
bool ascend(View1<const std::int64_t> offsets, index_t last, index_t least) {
    if (offsets(0) != 0 || offsets(offsets.size - 1) != last) return false;
    for (index_t i = 0; i + 1 < offsets.size; ++i) {
        if (offsets(i + 1) < offsets(i) || offsets(i + 1) - offsets(i) < least) {
            return false;
        }
    }
    return true;
}

bool is_tree(const Trees& trees, index_t root, index_t size, std::vector<char>& seen) {
    seen.assign(static_cast<std::size_t>(size), 0);
    for (index_t i = 0; i < size; ++i) {
        if (i > 0 && seen[static_cast<std::size_t>(i)] == 0) return false;
        const index_t node = root + i;
        if (trees.feature(node) < 0) {
            if (trees.is_categorical(node)) return false;
            continue;
        }
        if (trees.feature(node) >= trees.n_features ||
            std::isnan(trees.threshold(node))) {
            return false;
        }
        for (const std::int32_t child : {trees.left(node), trees.right(node)}) {
            if (child <= i || child >= size) return false;
            if (seen[static_cast<std::size_t>(child)]++ != 0) return false;
        }
    }
    return true;
}

} // namespace

bool can_be_followed(const Trees& trees) {
    if (!ascend(trees.tree_offsets, trees.n_nodes(), 1)) return false;
    if (!ascend(trees.category_offsets, trees.category_words.size, 0)) return false;
    std::vector<char> seen;
    for (index_t t = 0; t < trees.n_trees(); ++t) {
        const auto output = trees.tree_output(t);
        if (output < 0 || output >= trees.base_score.size) return false;
        if (!is_tree(trees, trees.root(t), trees.size_of(t), seen)) return false;
    }
    return true;
}

} // namespace fastnotes::boosting
