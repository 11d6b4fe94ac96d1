#include "boosting/bin_walk.hpp"

#include "common/parallel.hpp"

namespace fastnotes::boosting {
namespace {

using std::uint8_t;

constexpr index_t grain = index_t{1} << 13; ///< rows that are worth a thread

bool goes_left(const BinTree& tree, index_t node, uint8_t code,
               uint8_t missing_code) noexcept {
    if (code == missing_code) return tree.default_left(node);
    if (!tree.is_categorical(node)) return code <= tree.bin(node);
    return (tree.left_codes.row(node)[code / 32] >> (code % 32) & 1u) != 0;
}

} // namespace

void add_tree_by_bins(const BinTree& tree, View2<const uint8_t> bins,
                      uint8_t missing_code, View1<double> margins,
                      int n_threads) noexcept {
    const int threads = worthwhile_threads(bins.rows, grain, n_threads);
    parallel_for(bins.rows, threads, [&](index_t row) {
        const uint8_t* const codes = bins.row(row);
        index_t node = 0;
        while (tree.column(node) >= 0) {
            const bool left =
                goes_left(tree, node, codes[tree.column(node)], missing_code);
            node = left ? tree.left(node) : tree.right(node);
        }
        margins(row) += static_cast<double>(tree.value(node));
    });
}

} // namespace fastnotes::boosting
