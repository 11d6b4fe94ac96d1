/// Growth of one regression tree from bin codes, gradients and hessians.
#pragma once

#include "boosting/splitting.hpp"
#include "common/view.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace fastnotes::boosting {

/// Philox purposes of column draws ("boo", 2 and 3).
inline constexpr std::uint32_t level_columns_purpose = 0x626F6F02;
inline constexpr std::uint32_t node_columns_purpose = 0x626F6F03;

/// Equal rows that one may stand for: so few that sums of few rows stay narrow.
inline constexpr index_t most_count = 15;

struct GrowthRules {
    SplitRules split;
    double learning_rate;
    double max_delta_step;     ///< 0: no limit
    index_t max_depth;         ///< 0: no limit
    index_t max_leaves;        ///< 0: no limit
    bool best_first;           ///< largest gain first, else a level at a time
    double colsample_bylevel;  ///< share of the tree's columns, in (0, 1]
    double colsample_bynode;   ///< share of the level's columns, in (0, 1]
    index_t max_cat_to_onehot; ///< fewer levels than this are cut one against all
    index_t max_cat_threshold; ///< most levels on the smaller side of an ordered cut
    double cat_smooth;         ///< what joins H where levels are ordered by G / H
    std::vector<std::int8_t> monotone; ///< [n_columns] -1, 0, 1; empty: none
    /// Ascending columns that may meet on a path; empty: all may.
    std::vector<std::vector<std::int32_t>> interactions;
};

/// A table of codes; bins must outlive the grower while it reads them.
struct GrowthTable {
    View2<const std::uint8_t> bins;
    View1<const std::int32_t> column_bins; ///< codes 0 .. column_bins[c] - 1 are known
    View1<const std::uint8_t> categorical; ///< [n_columns] 0 or 1
    std::uint8_t missing_code;
    /// [n_rows] how many equal rows a row stands for, 1 to most_count; null data: 1.
    View1<const std::uint8_t> counts{};
};

struct GrowthInput {
    View1<const float> grad, hess;
    View1<const std::int32_t> rows;    ///< ascending rows to learn from; null data: all
    View1<const std::uint8_t> columns; ///< [n_columns] 0 or 1; null data: all
    std::uint64_t seed;
    std::uint32_t tree_index;

    /// The i-th row to learn from.
    index_t row(index_t i) const noexcept {
        return rows.data == nullptr ? i : rows.data[i];
    }
};

/// What the trees of a round learn from; row k of a view is tree k's.
struct RoundInput {
    View2<const float> grad, hess;     ///< [n_trees, n_rows]
    View1<const std::int32_t> rows;    ///< as of GrowthInput, of all trees
    View2<const std::uint8_t> columns; ///< [n_trees, n_columns]; null data: all
    std::uint64_t seed;
    std::uint32_t first_tree_index;

    GrowthInput tree(index_t k) const noexcept;
};

/// 256 codes, those that go left.
using CodeSet = std::array<std::uint32_t, 8>;

/// Nodes of a tree, children behind their parents; column, bin, left and right of a
/// leaf are -1, and so is bin at a categorical node.
struct GrownNodes {
    std::vector<std::int32_t> column, bin, left, right;
    std::vector<std::uint8_t> default_left, is_categorical;
    std::vector<float> value, gain, cover;
    std::vector<CodeSet> left_codes; ///< at categorical nodes, missing apart
};

enum class GrowthStatus { ok, gradient_not_finite, hessian_not_finite, bad_row };

/// Grows trees on one table; keeps its scratch from tree to tree.
///
/// A tree minimises sum_leaf [G w + (H + lambda) w^2 / 2 + alpha |w|] greedily: a node
/// is cut where the Gain (see find_best_split) is largest. On equal gains the lower
/// column wins, then the lower bin, then missing to the right. A node is not cut at
/// max_depth, with no admissible cut, or past max_leaves; a level at a time, nodes are
/// cut in the order they were made, best first in the order of their gains (equal: the
/// older).
///
/// Which rows go where depends on quantised values: each row's g becomes the integer
/// nearest to g 2^e with |g| 2^e <= 2^15 - 1 for the tree's largest |g|, likewise h;
/// where the largest is beyond 512 times the mean, for 64 times the mean, and integers
/// beyond are kept whole. Node sums are exact sums of them. Leaf values and covers come
/// from sums of the float32 values at some 2^-40 of the largest, exact-order-free too;
/// so a tree depends neither on n_threads nor on the order of rows. A row that counts
/// k times gives what k rows of its gradient and hessian would, to the last bit.
///
///   value = -learning_rate T(G) / (H + lambda), 0 where H + lambda <= 0; cut to
///   +-max_delta_step and to the node's monotone bounds before the rate applies
///
/// Monotone columns: a cut whose clipped weights are out of order is not admissible,
/// and the mean of both weights bounds what lies below. With bounds or max_delta_step a
/// score is -2 (G w + alpha |w|) - (H + lambda) w^2 at the clipped weight w.
/// Interactions: below a path of columns P, P itself and each given set that holds all
/// of P are allowed. Categorical columns: of fewer than max_cat_to_onehot levels one
/// goes left; else levels are ordered by G / (H + cat_smooth), then by code, and cut
/// where one side has at most max_cat_threshold of them. Levels not in the node go
/// right, missing where the gain is larger.
///
/// Memory: 16 bytes a row, where it pays the table anew with columns of few codes in
/// shared bytes, histograms of open nodes up to most_histogram_bytes. Once trees grew
/// side by side: 16 bytes a row more for each thread, and as many bytes of histograms
/// for all of them.
class TreeGrower {
  public:
    static constexpr index_t most_histogram_bytes = index_t{256} << 20;

    TreeGrower(const GrowthTable& table, GrowthRules rules, int n_threads);
    ~TreeGrower();
    TreeGrower(TreeGrower&&) noexcept;
    TreeGrower& operator=(TreeGrower&&) noexcept;
    TreeGrower(const TreeGrower&) = delete;
    TreeGrower& operator=(const TreeGrower&) = delete;

    /// Whether every code is known or missing: the grower must not be used otherwise.
    bool codes_in_range() const noexcept;

    /// Whether table.bins are read further on, or were put into a shorter form.
    bool reads_bins() const noexcept;

    /// leaf_of_row [n_rows]: the leaf each row falls into, out, overwritten; rows that
    /// were not learnt from too. On any status but ok nothing is meant by the outputs.
    /// Throws std::bad_alloc.
    GrowthStatus grow(const GrowthInput& input, GrownNodes& tree,
                      View1<std::int32_t> leaf_of_row);

    /// Grows the trees that grow would give, one after another or, where the table is
    /// small, side by side. leaf_of_row [n_trees, n_rows], out, overwritten. The status
    /// is that of the first tree with any but ok.
    GrowthStatus grow_round(const RoundInput& round, std::vector<GrownNodes>& trees,
                            View2<std::int32_t> leaf_of_row);

  private:
    class State;
    State& single(int thread);
    GrowthStatus grow_side_by_side(const RoundInput& round, index_t n_trees,
                                   int threads, std::vector<GrownNodes>& trees,
                                   View2<std::int32_t> leaf_of_row);

    std::unique_ptr<State> state_;
    std::vector<std::unique_ptr<State>> singles_; ///< of threads, made when needed
    int n_threads_;
};

/// margins[row] += value[leaf_of_row[row]]; every leaf number is below value.size.
void add_leaf_values(View1<const std::int32_t> leaf_of_row, View1<const float> value,
                     View1<double> margins, int n_threads) noexcept;

/// A tree as arrays of its own, as GrownNodes says.
struct GrownView {
    View1<const std::int32_t> column, bin, left, right;
    const std::uint8_t* default_left;
    const std::uint8_t* is_categorical;
    const float* value;
    const CodeSet* left_codes;
};

/// leaf_of_row[r] = the leaf that row r of bins falls into, where it is negative.
/// Columns are in range, children lie behind their parents.
void find_leaves(View2<const std::uint8_t> bins, const GrownView& tree,
                 std::uint8_t missing_code, index_t first, index_t last,
                 std::int32_t* leaf_of_row) noexcept;

/// margins[r] += the value of the leaf that row r of bins falls into.
void add_tree_values(View2<const std::uint8_t> bins, const GrownView& tree,
                     std::uint8_t missing_code, View1<double> margins,
                     int n_threads) noexcept;

} // namespace fastnotes::boosting
