#include "boosting/sparse_growth.hpp"

#include "boosting/sparse_growth_state.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

namespace fastnotes::boosting {
namespace {

using std::int16_t;
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
GrowthStatus SparseTreeGrower::grow_round(const RoundInput& round,
                                          std::vector<GrownNodes>& trees,
                                          View2<int32_t> leaf_of_row) {
    trees.resize(static_cast<std::size_t>(round.grad.rows));
    auto status = GrowthStatus::ok;
    for (index_t k = 0; k < round.grad.rows && status == GrowthStatus::ok; ++k) {
        status = grow(round.tree(k), trees[static_cast<std::size_t>(k)],
                      {leaf_of_row.row(k), leaf_of_row.columns});
    }
    return status;
}

SparseTreeGrower::State::Worker::Worker()
    : places(ColumnBounds::most_slots), sums((most_exact + 1) * code_slots),
      G(most_exact * code_slots), H(most_exact * code_slots) {}

SparseTreeGrower::State::State(const SparseGrowthTable& table, GrowthRules rules,
                               int n_threads)
    : GrowingTree(std::move(rules), table.entries.n_rows,
                  worthwhile_threads(table.entries.n_rows + table.entries.rows.size,
                                     thread_grain, n_threads)),
      columns_(list_code_columns(table, n_threads)), missing_code_(table.missing_code),
      most_entries_(0), grad_(n_rows_), hess_(n_rows_), terms_(n_rows_),
      node_of_row_(n_rows_), moved_(static_cast<std::size_t>(n_rows_), uint8_t{0}),
      workers_(static_cast<std::size_t>(n_threads_)) {
    for (const CodeColumn& column : columns_) {
        most_entries_ = std::max(most_entries_, column.n_entries);
    }
}

GrowthStatus SparseTreeGrower::State::grow(const GrowthInput& input, GrownNodes& tree,
                                           View1<int32_t> leaf_of_row) {
    const GrowthStatus status = read_input(input);
    if (status != GrowthStatus::ok) return status;
    ColumnChooser chooser(rules_,
                          list_columns(input, static_cast<index_t>(columns_.size())),
                          input.seed, input.tree_index);
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
    const Quantiser& quantiser = scales_.quantiser;
    std::atomic<int64_t> G{0}, H{0};
    std::atomic<bool> has_negative{false};
    int16_t* const grad = grad_.data();
    int16_t* const hess = hess_.data();
    std::fill_n(node_of_row_.data(), n_rows_, 0);
    parallel_region(n_threads_, [&](const Team& team) {
        const auto [first, last] = team.share(n_rows_);
        const int32_t* sampled = std::lower_bound(input.rows.begin(), input.rows.end(),
                                                  static_cast<int32_t>(first));
        int64_t sum_g = 0, sum_h = 0;
        bool negative = false;
        for (index_t r = first; r < last; ++r) {
            grad[r] = hess[r] = 0;
            if (input.rows.data != nullptr) {
                if (sampled == input.rows.end() || *sampled != r) continue;
                ++sampled;
            }
            grad[r] = fitting_part(quantise(input.grad.data[r], quantiser.grad));
            hess[r] = fitting_part(quantise(input.hess.data[r], quantiser.hess));
            sum_g += grad[r];
            sum_h += hess[r];
            negative |= hess[r] < 0;
        }
        G += sum_g;
        H += sum_h;
        if (negative) has_negative = true;
    });
    excesses_ = list_excesses(input);
    has_bounds_ = !has_negative && excesses_.empty();
    at(0).rows = n_used_;
    for (const Excess& excess : excesses_) {
        G += excess.grad;
        H += excess.hess;
    }
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
        const NodeCut& cut = at(node).cut;
        moves.push_back({node, cut.column, make_code_table(cut, missing_code_)});
        for (index_t child = left; child <= left + 1; ++child) {
            if (at(child).columns != nullptr) open.push_back(child);
        }
    }
    std::sort(moves.begin(), moves.end(), [](const Move& a, const Move& b) {
        return std::pair(a.column, a.node) < std::pair(b.column, b.node);
    });
    mark_moved_rows(moves);
    move_rows(moves);
    return open;
}

void SparseTreeGrower::State::mark_moved_rows(const std::vector<Move>& moves) {
    move_of_node_.assign(nodes_.size(), nullptr);
    std::vector<index_t> columns;
    for (const Move& move : moves) {
        move_of_node_[static_cast<std::size_t>(move.node)] = &move;
        if (columns.empty() || columns.back() != move.column) {
            columns.push_back(move.column);
        }
    }
    const int32_t* const node_of_row = node_of_row_.data();
    const auto n_columns = static_cast<index_t>(columns.size());
    parallel_blocks(n_columns, n_threads_, [&](index_t k, int) {
        const index_t c = columns[static_cast<std::size_t>(k)];
        const CodeColumn& entries = column(c);
        for (index_t i = 0; i < entries.n_entries; ++i) {
            const int32_t row = entries.rows[i];
            const Move* const move =
                move_of_node_[static_cast<std::size_t>(node_of_row[row])];
            if (move == nullptr || move->column != c) continue;
            const CodeTable& goes_left = move->goes_left;
            if (goes_left[entries.codes[i]] != goes_left[entries.absent]) {
                moved_[static_cast<std::size_t>(row)] = 1;
            }
        }
    });
}

/// Hands the rows of cut nodes to their children, and counts them.
void SparseTreeGrower::State::move_rows(const std::vector<Move>& moves) {
    const std::size_t n_nodes = nodes_.size();
    std::vector<std::array<int32_t, 2>> next(n_nodes); ///< by moved_
    for (std::size_t i = 0; i < n_nodes; ++i) {
        next[i].fill(static_cast<int32_t>(i));
    }
    for (const Move& move : moves) {
        const int absent_left = move.goes_left[column(move.column).absent];
        const auto left = static_cast<int32_t>(at(move.node).left);
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
