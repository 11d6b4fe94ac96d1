#include "information/tree.hpp"

#include "common/parallel.hpp"

#include <numeric>

namespace fastnotes::information {
namespace {

/// Below this level subtrees are built one by one, by whichever thread is free.
constexpr int shared_levels = 4;
constexpr index_t points_per_thread = 1 << 12;

struct Builder {
    Tree tree;
    View2<const double> points;

    /// Fills the boxes of a node and of those below it, down to `deepest` (exclusive),
    /// and orders its places.
    void split(index_t node, Places places, int level, int deepest) const noexcept {
        measure(node, places);
        if (level == tree.levels) return finish(places);
        const index_t axis = widest(node);
        const Places left = places.half(false);
        std::nth_element(
            tree.rows + places.first, tree.rows + left.last, tree.rows + places.last,
            [&](index_t a, index_t b) { return points(a, axis) < points(b, axis); });
        if (level + 1 == deepest) return;
        split(2 * node, left, level + 1, deepest);
        split(2 * node + 1, places.half(true), level + 1, deepest);
    }

    void measure(index_t node, Places places) const noexcept {
        double* const least = tree.boxes + 2 * node * tree.dims;
        double* const greatest = least + tree.dims;
        for (index_t d = 0; d < tree.dims; ++d) {
            least[d] = greatest[d] = points(tree.rows[places.first], d);
        }
        for (index_t place = places.first + 1; place < places.last; ++place) {
            const double* const point = points.row(tree.rows[place]);
            for (index_t d = 0; d < tree.dims; ++d) {
                least[d] = std::min(least[d], point[d]);
                greatest[d] = std::max(greatest[d], point[d]);
            }
        }
    }

    index_t widest(index_t node) const noexcept {
        index_t axis = 0;
        double width = -1;
        for (index_t d = 0; d < tree.dims; ++d) {
            const double here = tree.greatest(node)[d] - tree.least(node)[d];
            if (here > width) width = here, axis = d;
        }
        return axis;
    }

    void finish(Places places) const noexcept {
        for (index_t place = places.first; place < places.last; ++place) {
            for (index_t d = 0; d < tree.dims; ++d) {
                tree.coordinates[d * tree.size + place] = points(tree.rows[place], d);
            }
        }
    }
};

} // namespace

Tree build_tree(View2<const double> points, double* doubles, index_t* rows,
                int n_threads) noexcept {
    const index_t n = points.rows, dims = points.columns;
    const Tree tree{n, dims, tree_levels(n), doubles, doubles + n * dims, rows};
    const Builder builder{tree, points};
    std::iota(rows, rows + n, index_t{0});
    const int shared = std::min(shared_levels, tree.levels);
    if (shared > 0) builder.split(1, {0, n}, 0, shared);
    const index_t first = index_t{1} << shared;
    n_threads = worthwhile_threads(n, points_per_thread, n_threads);
    parallel_blocks(first, n_threads, [&](index_t block, int) {
        Places places{0, n};
        for (int level = shared - 1; level >= 0; --level) {
            places = places.half((block >> level) & 1);
        }
        builder.split(first + block, places, shared, tree.levels + 1);
    });
    return tree;
}

} // namespace fastnotes::information
