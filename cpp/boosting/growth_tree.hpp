/// What growers of trees share, however they sum rows.
#pragma once

#include "boosting/growth.hpp"
#include "boosting/growth_nodes.hpp"
#include "boosting/growth_scales.hpp"

#include <cstdint>
#include <vector>

namespace fastnotes::boosting {

/// Nodes of the tree that grows, its scales, and its values in the end.
class GrowingTree {
  protected:
    GrowingTree(GrowthRules rules, index_t n_rows, int n_threads,
                View1<const std::uint8_t> counts = {}) noexcept
        : rules_(std::move(rules)), n_rows_(n_rows), n_threads_(n_threads),
          counts_(counts) {}

    struct Totals {
        std::int64_t G = 0, H = 0;
    };

    /// What a row's quantised values have beyond those that fit.
    struct Excess {
        std::int32_t row;
        std::int64_t grad, hess;
    };

    /// Finds the scales, and what is wrong with the input.
    GrowthStatus read_input(const GrowthInput& input);
    /// Those of outliers, by ascending rows. Where values up to 64 times the mean fit,
    /// they fill at most n / 32 records.
    std::vector<Excess> list_excesses(const GrowthInput& input) const;
    bool may_be_cut(const GrowthNode& node) const noexcept;
    /// Adds the children of a node that can be cut.
    void add_children(index_t parent);
    /// Numbers the nodes of cuts that count; gives the others that of their leaf.
    void number_nodes(const GrowthOrder& order, GrownNodes& tree);
    /// Sets values and covers by the rows of leaves.
    void weigh_nodes(const GrowthInput& input, const std::int32_t* leaf_of_row,
                     GrownNodes& tree);

    GrowthNode& at(index_t node) noexcept {
        return nodes_[static_cast<std::size_t>(node)];
    }

    GrowthRules rules_;
    index_t n_rows_;
    int n_threads_;
    View1<const std::uint8_t> counts_; ///< as of GrowthTable

    // Of the tree that grows.
    index_t n_used_ = 0;
    GrowthScales scales_;
    ColumnChooser* chooser_ = nullptr;
    std::vector<GrowthNode> nodes_;
    std::vector<std::int32_t> number_; ///< in the finished tree, or of the leaf above

  private:
    void sum_leaves(const GrowthInput& input, const std::int32_t* leaf_of_row,
                    std::vector<Totals>& totals) const;
    void set_values(const std::vector<Totals>& totals, GrownNodes& tree) const;
};

/// Ascending columns that a tree may use.
ColumnChooser::List list_columns(const GrowthInput& input, index_t n_columns);

} // namespace fastnotes::boosting
