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
#include "common/simd_bytes.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

inline constexpr index_t most_byte_leaves = 256;
inline constexpr index_t most_group_cuts = 254; ///< codes 0 .. 254, and missing
inline constexpr int most_complete_depth = 8;
inline constexpr index_t plane_rows = 256; ///< bytes of a plane: rows of a block

/// Rows that pass a tree together: some registers of bytes, for which a node is read
/// once.
inline constexpr int strip_registers = 2;
inline constexpr index_t strip_rows = strip_registers * simd::Bytes::size;

/// out = byte < cut ? left : right, over a strip. The three are strips of the operands:
/// those of the numbers 0 to 255 first, then those of results. A complete tree needs
/// none of them: the place of a node says all.
struct ByteNode {
    std::uint32_t plane; ///< where it starts: its number times plane_rows
    std::uint16_t left, right, out;
    std::int8_t cut;
};

/// How rows pass a tree: step by step where it has too many leaves; by a program in
/// which children precede their parent; or, for a tree of at most 8 levels that has
/// most of their nodes, by the unrolled complete tree, parents before children.
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
    index_t most_planes = 1, most_results = 1;
    bool has_walks = false;

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
