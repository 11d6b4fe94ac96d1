#include "information/tree.hpp"

#include "common/parallel.hpp"

#include <limits>
#include <numeric>

namespace fastnotes::information {
namespace {

/// Below this level subtrees are built one by one, by whichever thread is free.
constexpr int shared_levels = 4;
constexpr index_t points_per_thread = 1 << 12;

struct Builder {
    Tree tree;
    View2<const double> points;
    Ranked* keys; // halved in place of the points, which lie far apart

    /// Fills the boxes of a node and of those below it, down to `deepest` (exclusive),
    /// and orders its places.
    void split(index_t node, Places places, int level, int deepest) const noexcept {
        measure(node, places);
        if (level == tree.levels) return finish(node, places);
        const index_t axis = widest(node);
        const Places left = places.half(false);
        for (index_t place = places.first; place < places.last; ++place) {
            keys[place] = {points(tree.rows[place], axis), tree.rows[place]};
        }
        std::nth_element(
            keys + places.first, keys + left.last, keys + places.last,
            [](const Ranked& a, const Ranked& b) { return a.value < b.value; });
        for (index_t place = places.first; place < places.last; ++place) {
            tree.rows[place] = keys[place].row;
        }
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

    void finish(index_t node, Places places) const noexcept {
        for (index_t d = 0; d < tree.dims; ++d) {
            double* const line = tree.line(node, d);
            std::fill(line, line + leaf_size, std::numeric_limits<double>::infinity());
            for (index_t j = 0; j < places.size(); ++j) {
                line[j] = points(tree.rows[places.first + j], d);
            }
        }
    }
};

} // namespace

Tree build_tree(View2<const double> points, TreeScratch scratch,
                int n_threads) noexcept {
    const index_t n = points.rows, dims = points.columns;
    const int levels = tree_levels(n);
    double* const boxes = scratch.doubles + ((dims * leaf_size) << levels);
    const Tree tree{n, dims, levels, scratch.doubles, boxes, scratch.rows};
    const Builder builder{tree, points, scratch.keys};
    std::iota(scratch.rows, scratch.rows + n, index_t{0});
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
