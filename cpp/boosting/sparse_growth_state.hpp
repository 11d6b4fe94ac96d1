/// What a SparseTreeGrower keeps, and the steps of growing a tree.
#pragma once

#include "boosting/growth_rows.hpp"
#include "boosting/growth_tree.hpp"
#include "boosting/sparse_bounds.hpp"
#include "boosting/sparse_growth.hpp"
#include "common/aligned.hpp"

#include <vector>

namespace fastnotes::boosting {

class SparseTreeGrower::State : GrowingTree {
  public:
    State(const SparseGrowthTable& table, GrowthRules rules, int n_threads);

    GrowthStatus grow(const GrowthInput& input, GrownNodes& tree,
                      View1<std::int32_t> leaf_of_row);

  private:
    /// Nodes that are searched at once.
    static constexpr index_t most_exact = 64;

    /// Scratch of a thread.
    struct Worker {
        Worker();

        ColumnBounds bounds;
        std::vector<std::uint8_t>
            leaves; ///< [nodes] the side of absent rows, for a code
        std::vector<std::int32_t> places; ///< [slots] among those searched exactly
        std::vector<index_t> n_rows;      ///< [nodes]
        std::vector<std::int64_t> sums;   ///< [most_exact + 1, code_slots]
        std::vector<double> G, H;         ///< [most_exact, code_slots]
    };

    /// A column to search exactly at a node.
    struct Search {
        std::int32_t column;
        index_t slot;
        NodeCut found;
    };

    // sparse_growth.cpp
    void read_rows(const GrowthInput& input);
    /// A node that is cut.
    struct Move {
        index_t node, column;
        CodeTable goes_left;
    };
    std::vector<index_t> expand(const std::vector<index_t>& batch);
    void mark_moved_rows(const std::vector<Move>& moves);
    void move_rows(const std::vector<Move>& moves);

    // sparse_search.cpp
    void search(const std::vector<index_t>& nodes);
    void open_batch(const index_t* first, const index_t* last);
    void find_bounds();
    void nominate(index_t slot, index_t n, std::vector<Search>& searches);
    double least_bound(const GrowthNode& node) const noexcept;
    void search_all(std::vector<Search>& searches);
    void search_exactly(Search* first, Search* last, Worker& worker) noexcept;
    void sum_exactly(const CodeColumn& column, index_t n, Worker& worker) noexcept;
    void add_excesses(const CodeColumn& column, Worker& worker) noexcept;
    const CodeColumn& column(index_t c) const noexcept {
        return columns_[static_cast<std::size_t>(c)];
    }

    std::vector<CodeColumn> columns_;
    std::uint8_t missing_code_;
    index_t most_entries_;                    ///< of a column
    AlignedBuffer<std::int16_t> grad_, hess_; ///< [n_rows] quantised
    AlignedBuffer<RowTerm> terms_;            ///< [n_rows]
    AlignedBuffer<std::int32_t> node_of_row_; ///< [n_rows]
    std::vector<std::uint8_t> moved_; ///< [n_rows] to the side without absent rows
    std::vector<const Move*> move_of_node_; ///< [nodes]
    std::vector<Worker> workers_;

    // Of the tree that grows.
    bool has_bounds_ = true;       ///< no hessian is negative, and every value fits
    std::vector<Excess> excesses_; ///< ascending rows; of outliers

    // Of the nodes that are searched.
    std::vector<index_t> batch_;        ///< by slot
    ColumnChooser::List batch_columns_; ///< of any of them
    std::vector<NodeLanes> lanes_;      ///< one
    AlignedBuffer<float> bounds_;       ///< [batch, batch_columns]
};

} // namespace fastnotes::boosting
