/// Trees laid out to be walked.
#pragma once

#include "boosting/trees.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

/// A node of 16 bytes. Siblings lie side by side: a row goes to child + !(v <=
/// threshold), v being its value in the node's slot. A leaf leads to itself, whatever
/// the row.
struct WalkNode {
    double threshold;   ///< the number of a category set if the slot says so
    std::uint32_t slot; ///< categorical_slot is added for a categorical node
    std::int32_t child;
};
inline constexpr std::uint32_t categorical_slot = 0x80000000u;

/// A column as a row's nodes want it: NaN becomes -inf, which is left of every
/// threshold, where missing goes left; it stays NaN, which is not, where it goes right
/// or where the nodes are categorical. Slot 0 is -inf, for leaves.
struct Slot {
    std::int32_t column;
    bool missing_left;
};

struct CategorySet {
    index_t first, n_words;
    bool default_left;
};

/// The trees [first, last) of a model.
struct TreeRange {
    index_t first, last;
};

struct Forest {
    index_t n_features = 0;
    std::vector<double> base_score;
    std::vector<std::int32_t> output;      ///< of each tree
    std::vector<std::int32_t> root, depth; ///< of each tree
    std::vector<WalkNode> nodes;
    std::vector<double> value;        ///< of each node
    std::vector<std::int32_t> origin; ///< of each node: its number in its tree
    std::vector<Slot> slots;
    std::vector<CategorySet> sets;
    std::vector<std::uint32_t> words;

    index_t n_trees() const noexcept { return static_cast<index_t>(output.size()); }
    index_t n_outputs() const noexcept {
        return static_cast<index_t>(base_score.size());
    }
    index_t n_slots() const noexcept { return static_cast<index_t>(slots.size()); }
    bool has_categories() const noexcept { return !sets.empty(); }
};

/// Lays out trees that can_be_followed, with fewer than 2^31 nodes in all. A host
/// function: it allocates, and throws std::bad_alloc.
Forest make_forest(const Trees& trees);

} // namespace fastnotes::boosting
