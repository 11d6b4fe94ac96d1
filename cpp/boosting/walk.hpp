/// Steps from the root to a leaf, several walks side by side.
#pragma once

#include "boosting/forest.hpp"

#include <algorithm>
#include <limits>

namespace fastnotes::boosting {

/// Walks that are under way together, so that one's memory is waited for while another
/// steps on.
inline constexpr int walk_lanes = 8;

/// values[s] = the row's value in slot s.
template <class T>
void fill_slots(const Forest& forest, const T* x, double* values) noexcept {
    constexpr double lowest = -std::numeric_limits<double>::infinity();
    const Slot* const slots = forest.slots.data();
    values[0] = lowest;
    for (index_t s = 1; s < forest.n_slots(); ++s) {
        const auto value = static_cast<double>(x[slots[s].column]);
        values[s] = value != value && slots[s].missing_left ? lowest : value;
    }
}

namespace detail {

inline bool goes_right(const Forest& forest, const WalkNode& node,
                       const double* values) noexcept {
    if ((node.slot & categorical_slot) == 0) {
        return !(values[node.slot] <= node.threshold);
    }
    const double category = values[node.slot & ~categorical_slot];
    const CategorySet& set = forest.sets[static_cast<std::size_t>(node.threshold)];
    if (!(category >= 0.0)) return !set.default_left;
    return !holds_category(forest.words.data() + set.first, set.n_words, category);
}

/// One step of every lane. Returns whether any lane moved.
template <bool Categories, int N>
[[gnu::always_inline]] inline bool step(const Forest& forest, std::int32_t* at,
                                        const double* const* values) noexcept {
    const WalkNode* const nodes = forest.nodes.data();
    bool moved = false;
    for (int i = 0; i < N; ++i) {
        const WalkNode& node = nodes[at[i]];
        const bool right = Categories ? goes_right(forest, node, values[i])
                                      : !(values[i][node.slot] <= node.threshold);
        const std::int32_t next = node.child + static_cast<std::int32_t>(right);
        moved |= next != at[i];
        at[i] = next;
    }
    return moved;
}

/// Leaves of N walks, at[i] being the root of walk i and then its leaf; values[i] are
/// its row's slots.
template <bool Categories, int N>
void walk(const Forest& forest, std::int32_t depth, std::int32_t* at,
          const double* const* values) noexcept {
    constexpr std::int32_t shallow = 8; // asking whether all have arrived costs, too
    std::int32_t level = 0;
    for (; level < std::min(depth, shallow); ++level) {
        (void)step<Categories, N>(forest, at, values);
    }
    for (; level < depth; ++level) {
        if (!step<Categories, N>(forest, at, values)) return;
    }
}

template <bool Categories, class F>
void walk_row(const Forest& forest, TreeRange trees, const double* values,
              F&& f) noexcept {
    const double* lanes[walk_lanes];
    std::fill_n(lanes, walk_lanes, values);
    const std::int32_t *const root = forest.root.data(), *const depth =
                                                             forest.depth.data();
    index_t t = trees.first;
    for (; t + walk_lanes <= trees.last; t += walk_lanes) {
        std::int32_t at[walk_lanes];
        std::copy_n(root + t, walk_lanes, at);
        walk<Categories, walk_lanes>(
            forest, *std::max_element(depth + t, depth + t + walk_lanes), at, lanes);
        for (int i = 0; i < walk_lanes; ++i) f(t + i, at[i]);
    }
    for (; t < trees.last; ++t) {
        std::int32_t at = root[t];
        walk<Categories, 1>(forest, depth[t], &at, lanes);
        f(t, at);
    }
}

template <bool Categories, class F>
void walk_rows(const Forest& forest, index_t tree, const double* values, index_t n,
               F&& f) noexcept {
    for (index_t row = 0; row < n; row += walk_lanes) {
        const double* lanes[walk_lanes];
        std::int32_t at[walk_lanes];
        for (int i = 0; i < walk_lanes; ++i) {
            lanes[i] = values + std::min(row + i, n - 1) * forest.n_slots();
        }
        std::fill_n(at, walk_lanes, forest.root.data()[tree]);
        walk<Categories, walk_lanes>(forest, forest.depth.data()[tree], at, lanes);
        const index_t count = std::min<index_t>(walk_lanes, n - row);
        for (index_t i = 0; i < count; ++i) f(row + i, at[i]);
    }
}

} // namespace detail

/// One row through the trees of a range; f(tree, leaf) in their order.
template <class F>
void walk_row(const Forest& forest, TreeRange trees, const double* values,
              F&& f) noexcept {
    if (forest.has_categories()) {
        detail::walk_row<true>(forest, trees, values, f);
    } else {
        detail::walk_row<false>(forest, trees, values, f);
    }
}

/// n rows, whose slots lie one after another, through one tree; f(row, leaf).
template <class F>
void walk_rows(const Forest& forest, index_t tree, const double* values, index_t n,
               F&& f) noexcept {
    if (forest.has_categories()) {
        detail::walk_rows<true>(forest, tree, values, n, f);
    } else {
        detail::walk_rows<false>(forest, tree, values, n, f);
    }
}

} // namespace fastnotes::boosting
