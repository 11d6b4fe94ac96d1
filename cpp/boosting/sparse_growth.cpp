#include "boosting/sparse_growth.hpp"

#include "boosting/sparse_growth_state.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using std::uint8_t;

/// Rows or stored entries that are worth a thread.
constexpr index_t thread_grain = index_t{1} << 14;

} // namespace

SparseTreeGrower::SparseTreeGrower(const SparseGrowthTable& table, GrowthRules rules,
                                   int n_threads)
    : state_(std::make_unique<State>(table, std::move(rules), n_threads)) {}
SparseTreeGrower::~SparseTreeGrower() = default;
SparseTreeGrower::SparseTreeGrower(SparseTreeGrower&&) noexcept = default;
SparseTreeGrower& SparseTreeGrower::operator=(SparseTreeGrower&&) noexcept = default;
GrowthStatus SparseTreeGrower::grow(const GrowthInput& input, GrownNodes& tree,
                                    View1<int32_t> leaf_of_row) {
    return state_->grow(input, tree, leaf_of_row);
}

SparseTreeGrower::State::Worker::Worker(index_t most_entries)
    : bounds(most_entries), places(ColumnBounds::most_slots + NodeLanes::group + 1),
      sums(most_exact + 1), G(most_exact * code_slots), H(most_exact * code_slots) {}

SparseTreeGrower::State::State(const SparseGrowthTable& table, GrowthRules rules,
                               int n_threads)
    : GrowingTree(std::move(rules), table.entries.n_rows,
                  worthwhile_threads(table.entries.n_rows + table.entries.rows.size,
                                     thread_grain, n_threads)),
      missing_code_(table.missing_code), columns_(table, n_threads), terms_(n_rows_),
      node_of_row_(n_rows_), moved_(static_cast<std::size_t>(n_rows_), uint8_t{0}) {
    const index_t most_entries = columns_.most_entries();
    for (int t = 0; t < n_threads_; ++t) workers_.emplace_back(most_entries);
}

GrowthStatus SparseTreeGrower::State::grow(const GrowthInput& input, GrownNodes& tree,
                                           View1<int32_t> leaf_of_row) {
    const GrowthStatus status = read_input(input);
    if (status != GrowthStatus::ok) return status;
    ColumnChooser chooser(rules_, list_columns(input, columns_.size()), input.seed,
                          input.tree_index);
    chooser_ = &chooser;
    nodes_.clear();
    nodes_.emplace_back();
    read_rows(input);
    GrowthNode& root = at(0);
    if (may_be_cut(root)) {
        root.columns = &chooser.of_node(0, root.path, root.cut_columns);
        search({0});
    }
    GrowthOrder order(rules_, true);
    for (auto batch = order.next(nodes_); !batch.empty(); batch = order.next(nodes_)) {
        search(expand(batch));
    }
    number_nodes(order, tree);
    const int32_t* const node_of_row = node_of_row_.data();
    parallel_region(n_threads_, [&](const Team& team) {
        const auto [first, last] = team.share(n_rows_);
        for (index_t r = first; r < last; ++r) {
            leaf_of_row(r) = number_[static_cast<std::size_t>(node_of_row[r])];
        }
    });
    weigh_nodes(input, leaf_of_row.data, tree);
    return GrowthStatus::ok;
}

/// Puts every row into the root; rows not learnt from count nothing.
void SparseTreeGrower::State::read_rows(const GrowthInput& input) {
    const double scale_g = 1.0 / units_.grad, scale_h = 1.0 / units_.hess;
    std::atomic<int64_t> G{0}, H{0};
    std::atomic<bool> has_negative{false};
    RowTerm* const terms = terms_.data();
    std::fill_n(node_of_row_.data(), n_rows_, 0);
    parallel_region(n_threads_, [&](const Team& team) {
        const auto [first, last] = team.share(n_rows_);
        const int32_t* sampled = std::lower_bound(input.rows.begin(), input.rows.end(),
                                                  static_cast<int32_t>(first));
        int64_t sum_g = 0, sum_h = 0;
        bool negative = false;
        for (index_t r = first; r < last; ++r) {
            terms[r] = {0, 0, 0};
            if (input.rows.data != nullptr) {
                if (sampled == input.rows.end() || *sampled != r) continue;
                ++sampled;
            }
            terms[r].grad = quantise(input.grad.data[r], scale_g);
            terms[r].hess = quantise(input.hess.data[r], scale_h);
            sum_g += terms[r].grad;
            sum_h += terms[r].hess;
            negative |= terms[r].hess < 0;
        }
        G += sum_g;
        H += sum_h;
        if (negative) has_negative = true;
    });
    has_bounds_ = !has_negative;
    at(0).rows = n_used_;
    at(0).frame.total = {static_cast<double>(G), static_cast<double>(H)};
}

/// Cuts nodes; gives the children that may be cut in turn.
std::vector<index_t>
SparseTreeGrower::State::expand(const std::vector<index_t>& batch) {
    std::vector<Move> moves;
    std::vector<index_t> open;
    for (const index_t node : batch) {
        const auto left = static_cast<index_t>(nodes_.size());
        add_children(node);
        moves.push_back({node, make_code_table(at(node).cut, missing_code_)});
        for (index_t child = left; child <= left + 1; ++child) {
            if (at(child).columns != nullptr) open.push_back(child);
        }
    }
    std::sort(moves.begin(), moves.end(), [&](const Move& a, const Move& b) {
        return std::pair(at(a.node).cut.column, a.node) <
               std::pair(at(b.node).cut.column, b.node);
    });
    mark_moved_rows(moves);
    move_rows(moves);
    return open;
}

void SparseTreeGrower::State::mark_moved_rows(const std::vector<Move>& moves) {
    std::vector<const Move*> firsts;
    for (const Move& move : moves) {
        const bool same = !firsts.empty() && at(firsts.back()->node).cut.column ==
                                                 at(move.node).cut.column;
        if (!same) firsts.push_back(&move);
    }
    firsts.push_back(moves.data() + moves.size());
    for (Worker& worker : workers_) worker.leaves.resize(nodes_.size(), 0);
    parallel_blocks(static_cast<index_t>(firsts.size()) - 1, n_threads_,
                    [&](index_t i, int thread) {
                        const Move* const* const bounds = firsts.data() + i;
                        mark_moved_rows(bounds[0], bounds[1],
                                        workers_[static_cast<std::size_t>(thread)]);
                    });
}

/// Of nodes that are cut at the same column.
void SparseTreeGrower::State::mark_moved_rows(const Move* first, const Move* last,
                                              Worker& worker) noexcept {
    const CodeColumn& column = columns_[at(first->node).cut.column];
    const int32_t* const rows = columns_.rows(column);
    const CodeRun* const runs = columns_.runs(column);
    const int32_t* const node_of_row = node_of_row_.data();
    uint8_t* const leaves = worker.leaves.data();
    index_t from = 0;
    for (index_t k = 0; k < column.n_stored_runs(); ++k) {
        bool any = false;
        for (const Move* move = first; move != last; ++move) {
            const CodeTable& table = move->goes_left;
            const bool goes =
                table[static_cast<std::size_t>(runs[k].code)] != table[column.absent];
            leaves[move->node] = goes ? 1 : 0;
            any |= goes;
        }
        for (index_t i = from; any && i < runs[k].last; ++i) {
            if (leaves[node_of_row[rows[i]]] == 0) continue;
            moved_[static_cast<std::size_t>(rows[i])] = 1;
        }
        from = runs[k].last;
    }
    for (const Move* move = first; move != last; ++move) leaves[move->node] = 0;
}

/// Hands the rows of cut nodes to their children, and counts them.
void SparseTreeGrower::State::move_rows(const std::vector<Move>& moves) {
    const std::size_t n_nodes = nodes_.size();
    std::vector<std::array<int32_t, 2>> next(n_nodes); ///< by moved_
    for (std::size_t i = 0; i < n_nodes; ++i) {
        next[i].fill(static_cast<int32_t>(i));
    }
    for (const Move& move : moves) {
        const GrowthNode& node = at(move.node);
        const int absent_left = move.goes_left[columns_[node.cut.column].absent];
        const auto left = static_cast<int32_t>(node.left);
        next[static_cast<std::size_t>(move.node)] = {left + 1 - absent_left,
                                                     left + absent_left};
    }
    for (Worker& worker : workers_) worker.n_rows.assign(n_nodes, 0);
    int32_t* const node_of_row = node_of_row_.data();
    parallel_region(n_threads_, [&](const Team& team) {
        index_t* const counts =
            workers_[static_cast<std::size_t>(team.index)].n_rows.data();
        const auto [first, last] = team.share(n_rows_);
        for (index_t r = first; r < last; ++r) {
            uint8_t& moved = moved_[static_cast<std::size_t>(r)];
            const int32_t node = next[static_cast<std::size_t>(node_of_row[r])][moved];
            node_of_row[r] = node;
            moved = 0;
            ++counts[node];
        }
    });
    for (std::size_t i = 1; i < n_nodes; ++i) {
        nodes_[i].rows = 0;
        for (const Worker& worker : workers_) nodes_[i].rows += worker.n_rows[i];
    }
}

} // namespace fastnotes::boosting
