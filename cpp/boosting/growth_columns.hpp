/// Which columns a node may be cut at: sampling and interaction constraints.
#pragma once

#include "boosting/growth.hpp"

#include <cstdint>
#include <deque>
#include <vector>

namespace fastnotes::boosting {

/// Columns of the nodes of one tree. Draws are Philox's, keyed on (seed, tree_index)
/// and the level, or the node's path: 1 at the root, 2 p and 2 p + 1 (mod 2^64) below
/// p. Every column draws a number, and the max(1, floor(share n)) lowest are taken.
class ColumnChooser {
  public:
    using List = std::vector<std::int32_t>;

    ColumnChooser(const GrowthRules& rules, List tree_columns, std::uint64_t seed,
                  std::uint32_t tree_index);

    const List& of_tree() const noexcept { return tree_; }

    /// Ascending columns of a node; `path` has those its ancestors are cut at. The
    /// reference holds as long as the chooser.
    const List& of_node(index_t depth, std::uint64_t node_path, const List& path);

  private:
    const List& of_level(index_t depth);
    List draw(const List& from, double share, std::uint32_t purpose,
              std::uint64_t index) const;
    List meeting(const List& from, const List& path) const;

    const GrowthRules& rules_;
    List tree_;
    std::uint64_t seed_;
    std::uint32_t tree_index_;
    std::deque<List> levels_, nodes_;
};

} // namespace fastnotes::boosting
