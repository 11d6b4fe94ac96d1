#include "boosting/prediction.hpp"

#include "boosting/walk.hpp"
#include "common/parallel.hpp"

#include <algorithm>

namespace fastnotes::boosting {
namespace {

using std::int32_t;

constexpr index_t most_block_rows = 64;
constexpr index_t block_bytes = index_t{1} << 18; ///< of slots, which stay in L2
constexpr index_t grain = 512; ///< rows x trees that are worth a thread

std::size_t place(index_t i) noexcept { return static_cast<std::size_t>(i); }

/// Rows of a block: whole lanes, few enough for the cache.
index_t block_rows(const Forest& forest) noexcept {
    const index_t fit = block_bytes / (8 * forest.n_slots());
    return std::clamp<index_t>(fit / walk_lanes * walk_lanes, walk_lanes,
                               most_block_rows);
}

/// One row through the trees of a range; f(tree, leaf) in their order.
template <bool Categories, class F>
void walk_row(const Forest& forest, TreeRange trees, const double* values,
              F&& f) noexcept {
    const double* lanes[walk_lanes];
    std::fill_n(lanes, walk_lanes, values);
    index_t t = trees.first;
    for (; t + walk_lanes <= trees.last; t += walk_lanes) {
        int32_t at[walk_lanes], depth = 0;
        for (int i = 0; i < walk_lanes; ++i) {
            at[i] = forest.root[place(t + i)];
            depth = std::max(depth, forest.depth[place(t + i)]);
        }
        walk<Categories, walk_lanes>(forest, depth, at, lanes);
        for (int i = 0; i < walk_lanes; ++i) f(t + i, at[i]);
    }
    for (; t < trees.last; ++t) {
        int32_t at = forest.root[place(t)];
        walk<Categories, 1>(forest, forest.depth[place(t)], &at, lanes);
        f(t, at);
    }
}

/// n rows whose slots lie one after another through the trees of a range, tree by tree;
/// f(row, tree, leaf).
template <bool Categories, class F>
void walk_rows(const Forest& forest, TreeRange trees, const double* values, index_t n,
               F&& f) noexcept {
    const index_t n_slots = forest.n_slots();
    for (index_t t = trees.first; t < trees.last; ++t) {
        for (index_t row = 0; row < n; row += walk_lanes) {
            const double* lanes[walk_lanes];
            int32_t at[walk_lanes];
            for (int i = 0; i < walk_lanes; ++i) {
                lanes[i] = values + std::min(row + i, n - 1) * n_slots;
            }
            std::fill_n(at, walk_lanes, forest.root[place(t)]);
            walk<Categories, walk_lanes>(forest, forest.depth[place(t)], at, lanes);
            const index_t count = std::min<index_t>(walk_lanes, n - row);
            for (index_t i = 0; i < count; ++i) f(row + i, t, at[i]);
        }
    }
}

/// Blocks of rows over threads; f(row, tree, leaf), a row's trees in their order.
template <class T, class F>
void walk_table(const Forest& forest, TreeRange trees, View2<const T> X, double* values,
                int n_threads, F&& f) noexcept {
    const index_t step = block_rows(forest), n_slots = forest.n_slots();
    const index_t work = X.rows * (trees.last - trees.first);
    const int threads = worthwhile_threads(work, grain, n_threads);
    parallel_blocks(ceil_div(X.rows, step), threads, [&](index_t block, int thread) {
        const index_t first = block * step, n = std::min(step, X.rows - first);
        double* const own = values + thread * walk_scratch(forest);
        for (index_t i = 0; i < n; ++i) {
            fill_slots(forest, X.row(first + i), own + i * n_slots);
        }
        const auto found = [&](index_t row, index_t tree, int32_t leaf) {
            f(first + row, tree, leaf);
        };
        if (forest.has_categories()) {
            walk_rows<true>(forest, trees, own, n, found);
        } else {
            walk_rows<false>(forest, trees, own, n, found);
        }
    });
}

} // namespace

template <class T>
void add_margins_of_row(const Forest& forest, TreeRange trees, const T* x,
                        double* margins, double* values) noexcept {
    fill_slots(forest, x, values);
    const auto add = [&](index_t tree, int32_t leaf) {
        margins[forest.output[place(tree)]] += forest.value[place(leaf)];
    };
    if (forest.has_categories()) {
        walk_row<true>(forest, trees, values, add);
    } else {
        walk_row<false>(forest, trees, values, add);
    }
}

template <class T>
void add_margins_by_walk(const Forest& forest, TreeRange trees, View2<const T> X,
                         View2<double> margins, double* values,
                         int n_threads) noexcept {
    walk_table(forest, trees, X, values, n_threads,
               [&](index_t row, index_t tree, int32_t leaf) {
                   margins(row, forest.output[place(tree)]) +=
                       forest.value[place(leaf)];
               });
}

template <class T>
void find_leaves_by_walk(const Forest& forest, TreeRange trees, View2<const T> X,
                         View2<int32_t> leaves, double* values,
                         int n_threads) noexcept {
    walk_table(forest, trees, X, values, n_threads,
               [&](index_t row, index_t tree, int32_t leaf) {
                   leaves(row, tree - trees.first) = forest.origin[place(leaf)];
               });
}

index_t walk_scratch(const Forest& forest) noexcept {
    return block_rows(forest) * forest.n_slots();
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template void add_margins_of_row<T>(const Forest&, TreeRange, const T*, double*,   \
                                        double*) noexcept;                             \
    template void add_margins_by_walk<T>(const Forest&, TreeRange, View2<const T>,     \
                                         View2<double>, double*, int) noexcept;        \
    template void find_leaves_by_walk<T>(const Forest&, TreeRange, View2<const T>,     \
                                         View2<int32_t>, double*, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
