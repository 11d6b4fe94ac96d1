#include "boosting/forest.hpp"

#include <algorithm>
#include <limits>

namespace fastnotes::boosting {
namespace {

/// Slots by column and direction, numbered as they are asked for.
class SlotNumbers {
  public:
    explicit SlotNumbers(index_t n_features)
        : number_(static_cast<std::size_t>(2 * n_features), 0) {}

    std::uint32_t operator()(std::int32_t column, bool missing_left,
                             std::vector<Slot>& slots) {
        auto& number = number_[static_cast<std::size_t>(2 * column + missing_left)];
        if (number == 0) {
            number = static_cast<std::uint32_t>(slots.size());
            slots.push_back({column, missing_left});
        }
        return number;
    }

  private:
    std::vector<std::uint32_t> number_;
};

void lay_out_tree(const Trees& trees, index_t tree, SlotNumbers& number,
                  Forest& forest) {
    const index_t root = trees.root(tree);
    const auto first = static_cast<std::int32_t>(forest.nodes.size());
    std::int32_t depth = 0;
    // Breadth first: origin is the queue, and a level ends where its last node was put.
    forest.origin.push_back(0);
    std::size_t level_end = forest.origin.size();
    for (auto at = static_cast<std::size_t>(first); at < forest.origin.size(); ++at) {
        if (at == level_end) {
            level_end = forest.origin.size();
            ++depth;
        }
        const index_t node = root + forest.origin[at];
        forest.value.push_back(static_cast<double>(trees.value(node)));
        if (trees.feature(node) < 0) {
            forest.nodes.push_back({0.0, 0, static_cast<std::int32_t>(at)});
            continue;
        }
        WalkNode laid{trees.threshold(node), 0,
                      static_cast<std::int32_t>(forest.origin.size())};
        if (trees.is_categorical(node)) {
            laid.threshold = static_cast<double>(forest.sets.size());
            laid.slot =
                categorical_slot | number(trees.feature(node), false, forest.slots);
            const index_t words = trees.category_offsets(node);
            forest.sets.push_back({words, trees.category_offsets(node + 1) - words,
                                   trees.default_left(node)});
        } else {
            laid.slot =
                number(trees.feature(node), trees.default_left(node), forest.slots);
        }
        forest.nodes.push_back(laid);
        forest.origin.push_back(trees.left(node));
        forest.origin.push_back(trees.right(node));
    }
    forest.root.push_back(first);
    forest.depth.push_back(depth);
}

} // namespace

Forest make_forest(const Trees& trees) {
    Forest forest;
    forest.n_features = trees.n_features;
    forest.base_score.assign(trees.base_score.begin(), trees.base_score.end());
    forest.output.assign(trees.tree_output.begin(), trees.tree_output.end());
    forest.words.assign(trees.category_words.begin(), trees.category_words.end());
    const auto n_nodes = static_cast<std::size_t>(trees.n_nodes());
    forest.nodes.reserve(n_nodes);
    forest.value.reserve(n_nodes);
    forest.origin.reserve(n_nodes);
    forest.slots.push_back({-1, true});
    SlotNumbers number(trees.n_features);
    for (index_t t = 0; t < trees.n_trees(); ++t) {
        lay_out_tree(trees, t, number, forest);
    }
    return forest;
}

} // namespace fastnotes::boosting
