#include "boosting/growth_state.hpp"

#include <algorithm>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::uint8_t;

constexpr index_t label_rows_least = 8;         ///< of a node in a window, on average
constexpr index_t row_grain = index_t{1} << 15; ///< rows that are worth a thread

/// The leaf that a row falls into; code_of(column) is its code.
template <class CodeOf>
int32_t leaf_of(const GrownView& tree, uint8_t missing_code, CodeOf code_of) noexcept {
    int32_t node = 0;
    while (tree.left.data[node] >= 0) {
        const uint8_t code = code_of(tree.column.data[node]);
        bool left = code <= tree.bin.data[node];
        if (tree.is_categorical[node] != 0) {
            left = (tree.left_codes[node][code / 32] >> (code % 32) & 1) != 0;
        }
        if (code == missing_code) left = tree.default_left[node] != 0;
        node = left ? tree.left.data[node] : tree.right.data[node];
    }
    return node;
}

/// Writes the label of each row: of two, the one its code says; `second` null: the
/// first. Records are a Step from one to the next.
template <int Step>
void label_records(const RecordedRows& listed, const CodeTable* second,
                   const int32_t (&both)[2], int32_t* leaf_of_row) noexcept {
    const RecordedRows rows = listed; // in registers, whatever is written
    const int32_t labels[2] = {both[0], both[1]};
    const RowRecord* const records = rows.records;
    const auto put = [&](index_t i) {
        const index_t row = records[Step * i].row;
        leaf_of_row[row] = labels[(*second)[rows.codes[row * rows.stride]]];
    };
    index_t i = 0;
    if (second == nullptr) {
        for (; i < rows.n; ++i) leaf_of_row[records[Step * i].row] = labels[0];
    }
    for (; i < rows.n - prefetch_rows; ++i) {
        const index_t ahead = records[Step * (i + prefetch_rows)].row;
        simd::prefetch(rows.codes + ahead * rows.stride);
        put(i);
    }
    for (; i < rows.n; ++i) put(i);
}

} // namespace

/// Nodes whose rows are still listed: leaves, and parents of leaves that were cut last.
std::vector<TreeGrower::State::Terminal> TreeGrower::State::find_terminals() {
    std::vector<Terminal> terminals;
    for (index_t i = 0; i < static_cast<index_t>(nodes_.size()); ++i) {
        const GrowthNode& node = at(i);
        if (node.rows < 0 || (node.expanded() && at(node.left).rows >= 0)) continue;
        const int32_t own = number_[static_cast<std::size_t>(i)];
        Terminal terminal{i, -1, {own, own}, {}};
        if (node.expanded()) {
            terminal.labels[1] = number_[static_cast<std::size_t>(node.left)];
            terminal.labels[0] = number_[static_cast<std::size_t>(node.left + 1)];
            terminal.second = make_code_table(node.cut, source_);
        }
        if (terminal.labels[0] != terminal.labels[1]) {
            terminal.bundle = bundled_.bundle_of(node.cut.column);
        }
        terminals.push_back(terminal);
    }
    return terminals;
}

/// Writes the leaf of rows below `end`.
void TreeGrower::State::label(const Terminal& terminal, RecordReader& reader,
                              index_t end, int32_t* leaf_of_row) const noexcept {
    const index_t n = reader.count_below(end);
    if (n == 0) return;
    const RecordedRows rows{source_.bins.data + std::max<index_t>(terminal.bundle, 0),
                            source_.bins.columns, &reader[0], n, n};
    const auto put_labels = reader.step() > 0 ? label_records<1> : label_records<-1>;
    put_labels(rows, terminal.bundle < 0 ? nullptr : &terminal.second, terminal.labels,
               leaf_of_row);
    reader.skip(n);
}

/// Writes the leaf of every row that was learnt from.
void TreeGrower::State::label_rows(int32_t* leaf_of_row) {
    const std::vector<Terminal> terminals = find_terminals();
    const std::size_t n = terminals.size();
    const index_t n_rows = n_rows_;
    const index_t windows = ceil_div(n_rows, window_rows_);
    const bool windowed =
        static_cast<index_t>(n) * windows * label_rows_least < n_used_;
    std::vector<RecordReader> readers(n * static_cast<std::size_t>(n_lists_));
    parallel_region(
        worthwhile_threads(n_used_, row_grain, n_threads_), [&](const Team& team) {
            for (int t = team.index; t < n_lists_; t += team.size) {
                RecordReader* const of_list =
                    readers.data() + static_cast<std::size_t>(t) * n;
                for (std::size_t i = 0; i < n; ++i) {
                    of_list[i] = reader_of(terminals[i].node, t);
                }
                for (index_t end = 0; end < n_rows;) {
                    end = windowed ? std::min(end + window_rows_, n_rows) : n_rows;
                    for (std::size_t i = 0; i < n; ++i) {
                        label(terminals[i], of_list[i], end, leaf_of_row);
                    }
                }
            }
        });
}

void TreeGrower::State::finish_tree(const GrowthInput& input, const GrowthOrder& order,
                                    GrownNodes& tree, View1<int32_t> leaf_of_row) {
    number_nodes(order, tree);
    const bool sampled = input.rows.data != nullptr;
    if (sampled) std::fill(leaf_of_row.begin(), leaf_of_row.end(), -1);
    label_rows(leaf_of_row.data);
    weigh_nodes(input, leaf_of_row.data, tree);
    if (!sampled) return;
    const auto n_nodes = static_cast<index_t>(tree.column.size());
    const GrownView whole{{tree.column.data(), n_nodes},
                          {tree.bin.data(), n_nodes},
                          {tree.left.data(), n_nodes},
                          {tree.right.data(), n_nodes},
                          tree.default_left.data(),
                          tree.is_categorical.data(),
                          tree.value.data(),
                          tree.left_codes.data()};
    parallel_region(n_threads_, [&](const Team& team) {
        const auto [first, last] = team.share(n_rows_);
        for (index_t r = first; r < last; ++r) {
            if (leaf_of_row(r) >= 0) continue;
            const uint8_t* const codes = source_.bins.row(r);
            leaf_of_row(r) = leaf_of(whole, table_.missing_code, [&](int32_t c) {
                const uint8_t code = codes[bundled_.bundle_of(c)];
                const CodeDecoder* const decoder = bundled_.decoder(c);
                return decoder == nullptr ? code : (*decoder)[code];
            });
        }
    });
}

void add_leaf_values(View1<const int32_t> leaf_of_row, View1<const float> value,
                     View1<double> margins, int n_threads) noexcept {
    parallel_region(worthwhile_threads(margins.size, row_grain, n_threads),
                    [&](const Team& team) {
                        const auto [first, last] = team.share(margins.size);
                        for (index_t i = first; i < last; ++i) {
                            const auto leaf = leaf_of_row.data[i];
                            margins.data[i] += static_cast<double>(value.data[leaf]);
                        }
                    });
}

void find_leaves(View2<const uint8_t> bins, const GrownView& tree, uint8_t missing_code,
                 index_t first, index_t last, int32_t* leaf_of_row) noexcept {
    for (index_t r = first; r < last; ++r) {
        if (leaf_of_row[r] >= 0) continue;
        const uint8_t* const codes = bins.row(r);
        leaf_of_row[r] =
            leaf_of(tree, missing_code, [codes](int32_t c) { return codes[c]; });
    }
}

void add_tree_values(View2<const uint8_t> bins, const GrownView& tree,
                     uint8_t missing_code, View1<double> margins,
                     int n_threads) noexcept {
    parallel_region(
        worthwhile_threads(bins.rows, row_grain / 8, n_threads), [&](const Team& team) {
            const auto [first, last] = team.share(bins.rows);
            for (index_t at = first; at < last; at += block_rows) {
                int32_t leaves[block_rows];
                const index_t n = std::min(block_rows, last - at);
                std::fill_n(leaves, n, -1);
                const View2<const uint8_t> block{bins.row(at), n, bins.columns};
                find_leaves(block, tree, missing_code, 0, n, leaves);
                for (index_t i = 0; i < n; ++i) {
                    margins.data[at + i] += static_cast<double>(tree.value[leaves[i]]);
                }
            }
        });
}

} // namespace fastnotes::boosting
