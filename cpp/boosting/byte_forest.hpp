/// Trees as programs over bytes, which many rows run at once.
///
/// For a group of consecutive trees, every condition of a node becomes "byte < cut" on
/// a plane: the codes of one column over a block of rows, where a code is the number of
/// the group's thresholds below the value; or the answers to one category set. A tree
/// is then evaluated from its leaves to its root, selecting leaf numbers, for as many
/// rows at a time as a register has bytes: no branch and no gather depends on a row.
#pragma once

#include "boosting/lookup.hpp"
#include "boosting/trees.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

inline constexpr index_t most_byte_leaves = 256;
inline constexpr index_t most_group_cuts = 254; ///< codes 0 .. 254, and missing
inline constexpr int most_complete_depth = 6;
inline constexpr index_t plane_rows = 256; ///< bytes of a plane: rows of a block

/// How a node's leaf numbers come from its children's.
enum class Join : std::uint8_t {
    leaves,     ///< leaf - 1 or leaf
    left_leaf,  ///< leaf on the left, the top of the stack on the right
    right_leaf, ///< the top of the stack on the left, leaf on the right
    left_first, ///< the left child was stacked before the right one
    right_first,
};

struct ByteNode {
    std::uint32_t plane; ///< where it starts: its number times plane_rows
    std::int8_t cut;     ///< bytes below it go left
    Join join;
    std::uint8_t leaf;
};

/// How rows pass a tree: step by step where it has too many leaves; by a program in
/// which children precede their parent; or, for a tree of at most 6 levels that has
/// nearly all of their nodes, by the unrolled complete tree, parents before children.
enum class Pass : std::uint8_t { walk, program, complete };

struct ByteTree {
    Pass pass;
    std::int32_t depth;  ///< of the complete tree
    index_t first, last; ///< in nodes
};

/// The planes of one column: its codes, with missing on the right and on the left.
struct NumericPlanes {
    std::int32_t column;
    std::int32_t right, left; ///< numbers of the planes, -1 where no node wants one
    std::int32_t n_cuts;
    index_t lookup; ///< number of the column's lookup
};

struct SetPlane {
    std::int32_t column;
    std::int32_t plane;
    bool default_left;
    index_t first, n_words;
};

struct ByteGroup {
    index_t first_tree, last_tree;
    index_t n_planes;
    std::vector<NumericPlanes> numeric;
    std::vector<SetPlane> sets; ///< by column
};

struct ByteForest {
    std::vector<ByteGroup> groups;
    std::vector<ByteTree> trees;
    std::vector<ByteNode> nodes;
    index_t leaf_stride = 0;          ///< of the two tables, a row per tree
    std::vector<double> leaf_value;   ///< by leaf number
    std::vector<std::int32_t> origin; ///< the leaf's number in its tree
    std::vector<float> lookups32;     ///< cuts rounded down to float
    std::vector<double> lookups64;
    std::vector<std::uint32_t> words;
    std::vector<std::int8_t> numbers; ///< 0 .. 63, each plane_rows / 4 times
    index_t most_planes = 1, most_stack = 1;
    bool has_walks = false, has_programs = false;

    template <class T> const T* lookup(index_t number) const noexcept {
        if constexpr (sizeof(T) == 4) {
            return lookups32.data() + number * lookup_size;
        } else {
            return lookups64.data() + number * lookup_size;
        }
    }
};

/// Prepares trees that can_be_followed. A host function: it allocates, and throws
/// std::bad_alloc.
ByteForest make_byte_forest(const Trees& trees);

} // namespace fastnotes::boosting
