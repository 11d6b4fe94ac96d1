#include "boosting/growth_state.hpp"

#include <algorithm>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::uint8_t;

constexpr index_t row_grain = index_t{1} << 15; ///< rows that are worth a thread

} // namespace

/// Writes the leaf of every row that was learnt from.
void TreeGrower::State::label_rows(int32_t* leaf_of_row) noexcept {
    const auto n_nodes = static_cast<index_t>(nodes_.size());
    parallel_region(n_threads_, [&](const Team& team) {
        for (index_t i = 0; i < n_nodes; ++i) {
            const GrowthNode& node = at(i);
            const bool listed = node.rows >= 0;
            const bool parts = node.expanded() && at(node.left).rows < 0;
            if (!listed || (node.expanded() && !parts)) continue;
            const int32_t own = number_[static_cast<std::size_t>(i)];
            int32_t labels[2] = {own, own};
            CodeTable table{};
            index_t c = 0;
            if (parts) {
                labels[1] = number_[static_cast<std::size_t>(node.left)];
                labels[0] = number_[static_cast<std::size_t>(node.left + 1)];
                table = make_code_table(node.cut, table_.missing_code);
                c = node.cut.column;
            }
            const bool looks = labels[0] != labels[1];
            const index_t stride = table_.bins.columns;
            const uint8_t* const codes = table_.bins.data + c;
            for (int t = team.index; t < n_lists_; t += team.size) {
                const Segment segment = segments_of(i)[t];
                const RowRecord* const records = buffer_of(node.depth) + segment.first;
                for (index_t k = 0; k < segment.n; ++k) {
                    const int32_t row = records[k].row;
                    if (looks) {
                        const index_t next =
                            std::min<index_t>(k + prefetch_rows, segment.n - 1);
                        simd::prefetch(codes + records[next].row * stride);
                        leaf_of_row[row] = labels[table[codes[row * stride]]];
                    } else {
                        leaf_of_row[row] = own;
                    }
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
