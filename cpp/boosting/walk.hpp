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
    values[0] = lowest;
    for (index_t s = 1; s < forest.n_slots(); ++s) {
        const Slot slot = forest.slots[static_cast<std::size_t>(s)];
        const auto value = static_cast<double>(x[slot.column]);
        values[s] = value != value && slot.missing_left ? lowest : value;
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
        const std::int32_t next = node.child + right;
        moved |= next != at[i];
        at[i] = next;
    }
    return moved;
}

} // namespace detail

/// Leaves of N walks, at[i] being the root of walk i and then its leaf; values[i] are
/// its row's slots.
template <bool Categories, int N>
void walk(const Forest& forest, std::int32_t depth, std::int32_t* at,
          const double* const* values) noexcept {
    constexpr std::int32_t shallow = 8; // asking whether all have arrived costs, too
    std::int32_t level = 0;
    for (; level < std::min(depth, shallow); ++level) {
        (void)detail::step<Categories, N>(forest, at, values);
    }
    for (; level < depth; ++level) {
        if (!detail::step<Categories, N>(forest, at, values)) return;
    }
}

} // namespace fastnotes::boosting
