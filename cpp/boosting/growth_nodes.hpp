/// Nodes of a tree while it grows, and the order in which they are cut.
#pragma once

#include "boosting/growth_columns.hpp"
#include "boosting/growth_histograms.hpp"
#include "boosting/growth_splits.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

struct GrowthNode {
    index_t parent = -1, left = -1; ///< the right child is left + 1
    index_t depth = 0;
    std::uint64_t path = 1; ///< 1 at the root, 2 p and 2 p + 1 below p
    NodeFrame frame;
    NodeCut cut;
    index_t rows = -1; ///< -1: its rows were never listed
    index_t histogram = HistogramPool::none;
    const ColumnChooser::List* columns = nullptr; ///< null: a leaf in any case
    ColumnChooser::List
        cut_columns; ///< of its ancestors, under interaction constraints

    bool expanded() const noexcept { return left >= 0; }
    bool can_be_cut() const noexcept { return cut.column >= 0; }
};

/// Which nodes to cut next, and which of the cuts count in the end.
///
/// Best first, cuts are made ahead of their turn: those that come first as things
/// stand, up to a share of the leaves that are left. The order is then replayed on the
/// gains, and cuts whose turn never came do not count.
class GrowthOrder {
  public:
    GrowthOrder(const GrowthRules& rules, bool looks_ahead) noexcept
        : best_first_(rules.best_first), looks_ahead_(looks_ahead),
          cuts_left_(rules.max_leaves > 0 ? rules.max_leaves - 1 : -1) {}

    /// Numbers of nodes that can be cut and are not yet; none: the tree is done. The
    /// root and the children of what this gave before count as new.
    std::vector<index_t> next(const std::vector<GrowthNode>& nodes);

    /// Nodes whose cuts count, in the order of their turns, after the last next.
    const std::vector<index_t>& accepted() const noexcept { return accepted_; }

  private:
    struct Waiting {
        double gain;
        index_t turn; ///< when it was made: among equals the older comes first
        index_t node;
        bool operator<(const Waiting& other) const noexcept {
            return gain < other.gain || (gain == other.gain && turn > other.turn);
        }
    };

    std::vector<index_t> next_level(const std::vector<GrowthNode>& nodes);
    std::vector<index_t> next_best(const std::vector<GrowthNode>& nodes);
    void wait(const std::vector<GrowthNode>& nodes, index_t node);

    bool best_first_, looks_ahead_;
    index_t cuts_left_; ///< -1: no limit
    index_t seen_ = 0;  ///< nodes that next_level has looked at
    index_t turns_ = 0;
    std::vector<Waiting> waiting_; ///< heap
    std::vector<index_t> accepted_;
};

} // namespace fastnotes::boosting
