#include "boosting/growth_state.hpp"
#include "boosting/quantization.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using std::uint8_t;

constexpr index_t sum_step = 256;               ///< rows whose integers stay at hand
constexpr index_t label_rows_least = 8;         ///< of a node in a window, on average
constexpr index_t row_grain = index_t{1} << 15; ///< rows that are worth a thread

float as_float(double value) noexcept {
    constexpr double most = std::numeric_limits<float>::max();
    return static_cast<float>(std::clamp(value, -most, most));
}

/// The integers nearest to value[i] scale, |value scale| <= 2^51.
void exact_integers(const float* value, index_t n, double scale,
                    int64_t* out) noexcept {
    for (index_t i = 0; i < n; ++i) {
        out[i] = static_cast<int64_t>(
            integer_bits(static_cast<double>(value[i]) * scale) - magic_bits);
    }
}

} // namespace

/// Numbers the nodes of cuts that count; gives the others the number of their leaf.
void TreeGrower::State::number_nodes(const GrowthOrder& order, GrownNodes& tree) {
    const std::size_t n_nodes = 2 * order.accepted().size() + 1;
    tree.column.assign(n_nodes, -1);
    tree.bin.assign(n_nodes, -1);
    tree.left.assign(n_nodes, -1);
    tree.right.assign(n_nodes, -1);
    tree.default_left.assign(n_nodes, 0);
    tree.is_categorical.assign(n_nodes, 0);
    tree.value.assign(n_nodes, 0.0f);
    tree.gain.assign(n_nodes, 0.0f);
    tree.cover.assign(n_nodes, 0.0f);
    tree.left_codes.assign(n_nodes, CodeSet{});
    number_.assign(nodes_.size(), -1);
    number_[0] = 0;
    int32_t next = 1;
    for (const index_t accepted : order.accepted()) {
        const GrowthNode& node = at(accepted);
        const auto number = number_[static_cast<std::size_t>(accepted)];
        const auto i = static_cast<std::size_t>(number);
        number_[static_cast<std::size_t>(node.left)] = next;
        number_[static_cast<std::size_t>(node.left + 1)] = next + 1;
        tree.column[i] = static_cast<int32_t>(node.cut.column);
        tree.bin[i] = static_cast<int32_t>(node.cut.bin);
        tree.left[i] = next;
        tree.right[i] = next + 1;
        tree.default_left[i] = node.cut.default_left ? 1 : 0;
        tree.is_categorical[i] = node.cut.categorical ? 1 : 0;
        tree.gain[i] = as_float(node.cut.gain);
        if (node.cut.categorical) tree.left_codes[i] = node.cut.left_codes;
        next += 2;
    }
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
        if (number_[i] < 0)
            number_[i] = number_[static_cast<std::size_t>(nodes_[i].parent)];
    }
}

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
            const auto goes_left = make_code_table(node.cut, table_.missing_code);
            for (std::size_t code = 0; code < code_slots; ++code) {
                terminal.second[code / 32] |= std::uint32_t{goes_left[code]}
                                              << (code % 32);
            }
        }
        if (terminal.labels[0] != terminal.labels[1]) terminal.column = node.cut.column;
        terminals.push_back(terminal);
    }
    return terminals;
}

/// Writes the leaf of rows below `end`.
void TreeGrower::State::label(const Terminal& terminal, RecordReader& reader,
                              index_t end, int32_t* leaf_of_row) const noexcept {
    const index_t n = reader.count_below(end), stride = table_.bins.columns;
    if (terminal.column < 0) {
        for (index_t i = 0; i < n; ++i) leaf_of_row[reader[i].row] = terminal.labels[0];
    } else {
        const uint8_t* const codes = table_.bins.data + terminal.column;
        for (index_t i = 0; i < n; ++i) {
            const index_t next = std::min(i + prefetch_rows, n - 1);
            simd::prefetch(codes + reader[next].row * stride);
            const index_t row = reader[i].row;
            const uint8_t code = codes[row * stride];
            leaf_of_row[row] =
                terminal.labels[terminal.second[code / 32] >> (code % 32) & 1];
        }
    }
    reader.skip(n);
}

/// Writes the leaf of every row that was learnt from.
void TreeGrower::State::label_rows(int32_t* leaf_of_row) {
    const std::vector<Terminal> terminals = find_terminals();
    const std::size_t n = terminals.size();
    const index_t n_rows = table_.bins.rows;
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

void TreeGrower::State::sum_leaves(const GrowthInput& input, const int32_t* leaf_of_row,
                                   index_t n_nodes, std::vector<Totals>& totals) {
    const int threads = worthwhile_threads(n_used_, row_grain, n_threads_);
    const bool listed = input.rows.data != nullptr;
    std::vector<Totals> sums(static_cast<std::size_t>(threads * n_nodes));
    parallel_region(threads, [&](const Team& team) {
        Totals* const own = sums.data() + team.index * n_nodes;
        const auto [first, last] = team.share(n_used_);
        for (index_t at = first; at < last; at += sum_step) {
            const index_t n = std::min(sum_step, last - at);
            float grad[sum_step], hess[sum_step];
            int64_t G[sum_step], H[sum_step];
            const int32_t* const rows = listed ? input.rows.data + at : nullptr;
            for (index_t i = 0; listed && i < n; ++i) {
                grad[i] = input.grad.data[rows[i]];
                hess[i] = input.hess.data[rows[i]];
            }
            exact_integers(listed ? grad : input.grad.data + at, n, exact_scale_g_, G);
            exact_integers(listed ? hess : input.hess.data + at, n, exact_scale_h_, H);
            for (index_t i = 0; i < n; ++i) {
                Totals& leaf = own[leaf_of_row[listed ? rows[i] : at + i]];
                leaf.G += G[i];
                leaf.H += H[i];
            }
        }
    });
    totals.assign(sums.begin(), sums.begin() + n_nodes);
    for (std::size_t i = totals.size(); i < sums.size(); ++i) {
        Totals& total = totals[i % totals.size()];
        total.G += sums[i].G;
        total.H += sums[i].H;
    }
}

void TreeGrower::State::set_values(const std::vector<Totals>& totals,
                                   GrownNodes& tree) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const GrowthNode& node = nodes_[i];
        const bool counts =
            node.parent < 0 ||
            number_[i] != number_[static_cast<std::size_t>(node.parent)];
        if (!counts) continue;
        const auto number = static_cast<std::size_t>(number_[i]);
        const Sums sums{static_cast<double>(totals[number].G) / exact_scale_g_,
                        static_cast<double>(totals[number].H) / exact_scale_h_};
        tree.value[number] =
            as_float(rules_.learning_rate *
                     clipped_weight(sums, rules_, node.frame.lower, node.frame.upper));
        tree.cover[number] = as_float(sums.H);
    }
}

void TreeGrower::State::finish_tree(const GrowthInput& input, const GrowthOrder& order,
                                    GrownNodes& tree, View1<int32_t> leaf_of_row) {
    number_nodes(order, tree);
    const bool sampled = input.rows.data != nullptr;
    if (sampled) std::fill(leaf_of_row.begin(), leaf_of_row.end(), -1);
    label_rows(leaf_of_row.data);
    const auto n_nodes = static_cast<index_t>(tree.column.size());
    std::vector<Totals> totals;
    sum_leaves(input, leaf_of_row.data, n_nodes, totals);
    for (index_t i = n_nodes - 1; i >= 0; --i) {
        const auto k = static_cast<std::size_t>(i);
        if (tree.left[k] < 0) continue;
        for (const int32_t child : {tree.left[k], tree.right[k]}) {
            totals[k].G += totals[static_cast<std::size_t>(child)].G;
            totals[k].H += totals[static_cast<std::size_t>(child)].H;
        }
    }
    set_values(totals, tree);
    if (!sampled) return;
    const GrownView whole{{tree.column.data(), n_nodes},
                          {tree.bin.data(), n_nodes},
                          {tree.left.data(), n_nodes},
                          {tree.right.data(), n_nodes},
                          tree.default_left.data(),
                          tree.is_categorical.data(),
                          tree.value.data(),
                          tree.left_codes.data()};
    parallel_region(n_threads_, [&](const Team& team) {
        const auto [first, last] = team.share(table_.bins.rows);
        find_leaves(table_.bins, whole, table_.missing_code, first, last,
                    leaf_of_row.data);
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
        int32_t node = 0;
        while (tree.left.data[node] >= 0) {
            const uint8_t code = codes[tree.column.data[node]];
            bool left = code <= tree.bin.data[node];
            if (tree.is_categorical[node] != 0) {
                left = (tree.left_codes[node][code / 32] >> (code % 32) & 1) != 0;
            }
            if (code == missing_code) left = tree.default_left[node] != 0;
            node = left ? tree.left.data[node] : tree.right.data[node];
        }
        leaf_of_row[r] = node;
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
