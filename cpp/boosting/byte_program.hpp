/// Leaf numbers of many rows by the programs of a ByteForest.
#pragma once

#include "boosting/byte_forest.hpp"
#include "common/simd_bytes.hpp"

#include <algorithm>

namespace fastnotes::boosting {

/// Bytes of the operands: strips of the numbers 0 to 255, then of results.
inline index_t operand_bytes(const ByteForest& forest) noexcept {
    return (most_byte_leaves + forest.most_results) * strip_rows;
}

inline void fill_numbers(std::int8_t* operands) noexcept {
    for (index_t i = 0; i < most_byte_leaves; ++i) {
        std::fill_n(operands + i * strip_rows, strip_rows, static_cast<std::int8_t>(i));
    }
}

namespace detail {

using simd::Bytes;

struct Strip {
    Bytes part[strip_registers];
};

/// f(whether bytes go left, where they are in the strip) for every register of a strip.
template <class F>
FASTNOTES_INLINE void for_registers(const ByteNode& node, const std::int8_t* planes,
                                    F&& f) {
    const std::int8_t* const plane = planes + node.plane;
    const Bytes cut(node.cut);
    for (int i = 0; i < strip_registers; ++i) {
        f(cut > Bytes::load(plane + i * Bytes::size), i);
    }
}

/// Leaf numbers below the root of a complete tree of H levels, whose first is Leaf
/// steps of `numbers` away. The numbers come from memory: the compiler would make each
/// of them anew.
template <int H, int Leaf>
FASTNOTES_INLINE Strip run_complete(const ByteNode* node, const std::int8_t* planes,
                                    const std::int8_t* numbers) {
    Strip out;
    if constexpr (H == 1) {
        const auto leaf = numbers + (Leaf + 1) * strip_rows;
        for_registers(*node, planes, [&](auto left, int i) {
            out.part[i] = subtract_one_if(left, Bytes::load(leaf));
        });
    } else {
        constexpr int half = 1 << (H - 1);
        const Strip low = run_complete<H - 1, Leaf>(node + 1, planes, numbers);
        const Strip high =
            run_complete<H - 1, Leaf + half>(node + half, planes, numbers);
        for_registers(*node, planes, [&](auto left, int i) {
            out.part[i] = select(left, low.part[i], high.part[i]);
        });
    }
    return out;
}

/// The same for any H: unrolled up to 6 levels, more would not fit the code cache.
template <int H>
Strip run_tall(const ByteNode* node, const std::int8_t* planes,
               const std::int8_t* numbers) noexcept {
    if constexpr (H <= 6) {
        return run_complete<H, 0>(node, planes, numbers);
    } else {
        constexpr int half = 1 << (H - 1);
        const Strip low = run_tall<H - 1>(node + 1, planes, numbers);
        const Strip high =
            run_tall<H - 1>(node + half, planes, numbers + half * strip_rows);
        Strip out;
        for_registers(*node, planes, [&](auto left, int i) {
            out.part[i] = select(left, low.part[i], high.part[i]);
        });
        return out;
    }
}

template <int H>
void run_complete_tree(const ByteNode* nodes, const std::int8_t* planes,
                       const std::int8_t* numbers, index_t n,
                       std::int8_t* leaves) noexcept {
    for (index_t row = 0; row < n; row += strip_rows) {
        const Strip found = run_tall<H>(nodes, planes + row, numbers);
        for (int i = 0; i < strip_registers; ++i) {
            found.part[i].store(leaves + row + i * Bytes::size);
        }
    }
}

inline void run_program(const ByteNode* first, const ByteNode* last,
                        const std::int8_t* planes, std::int8_t* operands, index_t n,
                        std::int8_t* leaves) noexcept {
    const index_t result = first == last ? 0 : (last - 1)->out; // a lone leaf is 0
    for (index_t row = 0; row < n; row += strip_rows) {
        for (const ByteNode* node = first; node < last; ++node) {
            const std::int8_t* const low = operands + node->left;
            const std::int8_t* const high = operands + node->right;
            std::int8_t* const out = operands + node->out;
            for_registers(*node, planes + row, [&](auto left, int i) {
                const index_t at = i * Bytes::size;
                select(left, Bytes::load(low + at), Bytes::load(high + at))
                    .store(out + at);
            });
        }
        std::copy_n(operands + result, strip_rows, leaves + row);
    }
}

} // namespace detail

/// Leaf numbers of n rows, a multiple of strip_rows, in a tree that is not walked.
///
///   planes   [n_planes, plane_rows] i8                                  in
///   operands [operand_bytes(forest)] i8, the numbers filled             in-out
///   leaves   [n] i8                                                     out
inline void run_tree(const ByteForest& forest, const ByteTree& tree,
                     const std::int8_t* planes, std::int8_t* operands, index_t n,
                     std::int8_t* leaves) noexcept {
    const ByteNode* const nodes = forest.nodes.data() + tree.first;
    if (tree.pass == Pass::program) {
        const ByteNode* const last = forest.nodes.data() + tree.last;
        return detail::run_program(nodes, last, planes, operands, n, leaves);
    }
    switch (tree.depth) {
    case 1:
        return detail::run_complete_tree<1>(nodes, planes, operands, n, leaves);
    case 2:
        return detail::run_complete_tree<2>(nodes, planes, operands, n, leaves);
    case 3:
        return detail::run_complete_tree<3>(nodes, planes, operands, n, leaves);
    case 4:
        return detail::run_complete_tree<4>(nodes, planes, operands, n, leaves);
    case 5:
        return detail::run_complete_tree<5>(nodes, planes, operands, n, leaves);
    case 6:
        return detail::run_complete_tree<6>(nodes, planes, operands, n, leaves);
    case 7:
        return detail::run_complete_tree<7>(nodes, planes, operands, n, leaves);
    default:
        return detail::run_complete_tree<8>(nodes, planes, operands, n, leaves);
    }
}

} // namespace fastnotes::boosting
