/// Leaf numbers of many rows by the programs of a ByteForest.
#pragma once

#include "boosting/byte_forest.hpp"
#include "common/simd_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace fastnotes::boosting {

namespace detail {

using simd::Bytes;

/// Registers that are evaluated together, so that a node is read once for them.
inline constexpr int wide = 2;
inline constexpr index_t strip = wide * Bytes::size;

struct Strip {
    Bytes part[wide];
};

/// Leaf numbers below the root of a complete tree of H levels, whose first is Leaf.
/// The numbers come from memory: the compiler would make each of them anew.
template <int H, int Leaf>
FASTNOTES_INLINE Strip run_complete(const ByteNode* node, const std::int8_t* planes,
                                    const std::int8_t* numbers) {
    const std::int8_t* const plane = planes + node->plane;
    Strip out;
    if constexpr (H == 1) {
        const Bytes cut(node->cut);
        for (int i = 0; i < wide; ++i) {
            const auto left = cut > Bytes::load(plane + i * Bytes::size);
            const auto leaf = Bytes::load(numbers + (Leaf + 1) * (plane_rows / 4));
            out.part[i] = subtract_one_if(left, leaf);
        }
    } else {
        constexpr int half = 1 << (H - 1);
        const Strip low = run_complete<H - 1, Leaf>(node + 1, planes, numbers);
        const Strip high =
            run_complete<H - 1, Leaf + half>(node + half, planes, numbers);
        const Bytes cut(node->cut);
        for (int i = 0; i < wide; ++i) {
            const auto left = cut > Bytes::load(plane + i * Bytes::size);
            out.part[i] = select(left, low.part[i], high.part[i]);
        }
    }
    return out;
}

template <int H>
void run_complete_tree(const ByteNode* nodes, const std::int8_t* planes,
                       const std::int8_t* numbers, index_t n,
                       std::int8_t* leaves) noexcept {
    for (index_t row = 0; row < n; row += strip) {
        const Strip found = run_complete<H, 0>(nodes, planes + row, numbers);
        for (int i = 0; i < wide; ++i) {
            found.part[i].store(leaves + row + i * Bytes::size);
        }
    }
}

/// out[row] = f(row goes left, row) for n rows.
template <class F>
FASTNOTES_INLINE void for_rows(const ByteNode& node, const std::int8_t* planes,
                               index_t n, std::int8_t* out, F&& f) {
    const std::int8_t* const plane = planes + node.plane;
    const Bytes cut(node.cut);
    for (index_t row = 0; row < n; row += Bytes::size) {
        f(cut > Bytes::load(plane + row), row).store(out + row);
    }
}

inline void run_program(const ByteNode* first, const ByteNode* last,
                        const std::int8_t* planes, index_t n,
                        std::int8_t* stack) noexcept {
    std::int8_t* top = stack - plane_rows;
    for (const ByteNode* node = first; node < last; ++node) {
        const Bytes leaf(static_cast<std::int8_t>(node->leaf));
        const auto stacked = [&](index_t row) { return Bytes::load(top + row); };
        const auto above = [&](index_t row) {
            return Bytes::load(top + plane_rows + row);
        };
        switch (node->join) {
        case Join::leaves:
            top += plane_rows;
            for_rows(*node, planes, n, top,
                     [&](auto left, index_t) { return subtract_one_if(left, leaf); });
            break;
        case Join::left_leaf:
            for_rows(*node, planes, n, top, [&](auto left, index_t row) {
                return select(left, leaf, stacked(row));
            });
            break;
        case Join::right_leaf:
            for_rows(*node, planes, n, top, [&](auto left, index_t row) {
                return select(left, stacked(row), leaf);
            });
            break;
        case Join::left_first:
            top -= plane_rows;
            for_rows(*node, planes, n, top, [&](auto left, index_t row) {
                return select(left, stacked(row), above(row));
            });
            break;
        case Join::right_first:
            top -= plane_rows;
            for_rows(*node, planes, n, top, [&](auto left, index_t row) {
                return select(left, above(row), stacked(row));
            });
            break;
        }
    }
}

} // namespace detail

/// Numbers of rows are rounded up to a multiple of this.
inline constexpr index_t row_step = detail::strip;

/// Leaf numbers of n rows, a multiple of row_step, in a tree that is not walked.
///
///   planes  [n_planes, plane_rows] i8                                   in
///   stack   [forest.most_stack, plane_rows] i8; the leaf numbers come first  out
inline void run_tree(const ByteForest& forest, const ByteTree& tree,
                     const std::int8_t* planes, index_t n,
                     std::int8_t* stack) noexcept {
    const ByteNode* const nodes = forest.nodes.data() + tree.first;
    if (tree.first == tree.last) {
        std::memset(stack, 0, static_cast<std::size_t>(n));
        return;
    }
    if (tree.pass == Pass::program) {
        detail::run_program(nodes, forest.nodes.data() + tree.last, planes, n, stack);
        return;
    }
    const std::int8_t* const numbers = forest.numbers.data();
    switch (tree.depth) {
    case 1:
        return detail::run_complete_tree<1>(nodes, planes, numbers, n, stack);
    case 2:
        return detail::run_complete_tree<2>(nodes, planes, numbers, n, stack);
    case 3:
        return detail::run_complete_tree<3>(nodes, planes, numbers, n, stack);
    case 4:
        return detail::run_complete_tree<4>(nodes, planes, numbers, n, stack);
    case 5:
        return detail::run_complete_tree<5>(nodes, planes, numbers, n, stack);
    default:
        return detail::run_complete_tree<6>(nodes, planes, numbers, n, stack);
    }
}

} // namespace fastnotes::boosting
