/// The arrays of a model, as kernels see them, and whether they are safe to follow.
#pragma once

#include "common/view.hpp"

#include <cstdint>

namespace fastnotes::boosting {

/// Decision trees in flat arrays; the fields and their meaning are those of the Python
/// class TreeEnsemble.
///
///   base_score       [n_outputs] f64                                            in
///   tree_offsets     [n_trees + 1] i64, node numbers of the roots, then n_nodes in
///   tree_output      [n_trees] i32, 0 .. n_outputs - 1                          in
///   feature          [n_nodes] i32, column of the split, -1 at leaves           in
///   threshold        [n_nodes] f64, not NaN: value <= threshold goes left       in
///   left, right      [n_nodes] i32, from the tree's root, behind the parent     in
///   default_left     [n_nodes] bool, where NaN and negative categories go       in
///   value, cover     [n_nodes] f32                                              in
///   category_offsets [n_nodes + 1] i64, into category_words                     in
///   category_words   [...] u32, bit k % 32 of word k / 32: category k goes left in
struct Trees {
    index_t n_features;
    View1<const double> base_score;
    View1<const std::int64_t> tree_offsets;
    View1<const std::int32_t> tree_output;
    View1<const std::int32_t> feature;
    View1<const double> threshold;
    View1<const std::int32_t> left, right;
    View1<const bool> default_left;
    View1<const float> value, cover;
    View1<const std::int64_t> category_offsets;
    View1<const std::uint32_t> category_words;

    index_t n_trees() const noexcept { return tree_output.size; }
    index_t n_nodes() const noexcept { return feature.size; }
    bool is_categorical(index_t node) const noexcept {
        return category_offsets(node + 1) > category_offsets(node);
    }
    index_t root(index_t tree) const noexcept { return tree_offsets(tree); }
    index_t size_of(index_t tree) const noexcept {
        return tree_offsets(tree + 1) - tree_offsets(tree);
    }
};

/// Whether every index is in range, every child lies behind its parent and every node
/// but the roots has one parent, so that following the arrays ends and stays within
/// them. The sizes agree already. A host function: it allocates.
bool can_be_followed(const Trees& trees);

/// Whether category k of a value is in the set of n_words words; the value is neither
/// NaN nor negative. Categories beyond the words are not.
template <class T>
bool holds_category(const std::uint32_t* words, index_t n_words, T value) noexcept {
    if (!(value < static_cast<T>(32.0 * static_cast<double>(n_words)))) return false;
    const auto k = static_cast<std::int64_t>(value);
    return k / 32 < n_words && (words[k / 32] >> (k % 32) & 1u) != 0;
}

} // namespace fastnotes::boosting
