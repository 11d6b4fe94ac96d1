#include "boosting/sparse_leaves.hpp"

#include "boosting/growth_rows.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::uint8_t;

constexpr index_t row_grain = index_t{1} << 14; ///< rows that are worth a thread

/// A cut node of the level that rows pass.
struct Cut {
    int32_t column, node;
    CodeTable goes_left;
};

/// Cut nodes level by level, by column within one.
std::vector<std::vector<Cut>> list_levels(const GrownView& tree, uint8_t missing_code) {
    std::vector<std::vector<Cut>> levels;
    std::vector<std::size_t> depth(static_cast<std::size_t>(tree.left.size), 0);
    for (index_t i = 0; i < tree.left.size; ++i) {
        if (tree.left(i) < 0) continue;
        const std::size_t d = depth[static_cast<std::size_t>(i)];
        for (const int32_t child : {tree.left(i), tree.right(i)}) {
            depth[static_cast<std::size_t>(child)] = d + 1;
        }
        NodeCut cut;
        cut.bin = tree.bin(i);
        cut.categorical = tree.is_categorical[i] != 0;
        cut.default_left = tree.default_left[i] != 0;
        cut.left_codes = tree.left_codes[i];
        if (levels.size() <= d) levels.resize(d + 1);
        levels[d].push_back({tree.column(i), static_cast<int32_t>(i),
                             make_code_table(cut, missing_code)});
    }
    for (auto& level : levels) {
        std::sort(level.begin(), level.end(), [](const Cut& a, const Cut& b) {
            return std::pair(a.column, a.node) < std::pair(b.column, b.node);
        });
    }
    return levels;
}

} // namespace

void find_sparse_leaves(const SparseColumns<uint8_t>& entries,
                        View1<const uint8_t> absent_codes, const GrownView& tree,
                        uint8_t missing_code, View1<int32_t> leaf_of_row,
                        int n_threads) {
    const int threads = worthwhile_threads(entries.n_rows, row_grain, n_threads);
    const auto n_nodes = static_cast<std::size_t>(tree.left.size);
    std::fill(leaf_of_row.begin(), leaf_of_row.end(), 0);
    std::vector<uint8_t> moved(static_cast<std::size_t>(entries.n_rows), 0);
    std::vector<std::array<int32_t, 2>> next(n_nodes); // by moved
    // Of the level: where its nodes' codes go, and which column they are cut at.
    std::vector<const Cut*> cut_of_node(n_nodes), firsts;
    for (const auto& level : list_levels(tree, missing_code)) {
        for (std::size_t i = 0; i < n_nodes; ++i) {
            next[i].fill(static_cast<int32_t>(i));
            cut_of_node[i] = nullptr;
        }
        firsts.clear();
        for (const Cut& cut : level) {
            const int absent_left = cut.goes_left[absent_codes(cut.column)];
            const int32_t sides[2] = {tree.right(cut.node), tree.left(cut.node)};
            const auto node = static_cast<std::size_t>(cut.node);
            next[node] = {sides[absent_left], sides[1 - absent_left]};
            cut_of_node[node] = &cut;
            if (firsts.empty() || firsts.back()->column != cut.column) {
                firsts.push_back(&cut);
            }
        }
        const auto n_columns = static_cast<index_t>(firsts.size());
        parallel_blocks(n_columns, threads, [&](index_t k, int) {
            const int32_t c = firsts[static_cast<std::size_t>(k)]->column;
            const uint8_t absent = absent_codes(c);
            for (index_t i = entries.offsets(c); i < entries.offsets(c + 1); ++i) {
                const int32_t row = entries.rows(i);
                const Cut* const cut =
                    cut_of_node[static_cast<std::size_t>(leaf_of_row(row))];
                if (cut == nullptr || cut->column != c) continue;
                if (cut->goes_left[entries.values(i)] != cut->goes_left[absent]) {
                    moved[static_cast<std::size_t>(row)] = 1;
                }
            }
        });
        parallel_region(threads, [&](const Team& team) {
            const auto [first, last] = team.share(entries.n_rows);
            for (index_t r = first; r < last; ++r) {
                uint8_t& has_moved = moved[static_cast<std::size_t>(r)];
                leaf_of_row(r) =
                    next[static_cast<std::size_t>(leaf_of_row(r))][has_moved];
                has_moved = 0;
            }
        });
    }
}

} // namespace fastnotes::boosting
