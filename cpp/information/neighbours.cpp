#include "information/neighbours.hpp"

#include "common/parallel.hpp"

#include <array>
#include <limits>

namespace fastnotes::information {
namespace {

constexpr index_t queries_per_block = 128;
constexpr index_t leaves_per_block = 8;
constexpr index_t queries_per_thread = 512;
/// More than a tree of any size has.
constexpr int most_levels = 64;

struct Waiting {
    index_t node;
    Places places;
    double distance;
};

/// Nodes still to visit, nearest first along each path.
struct Stack {
    std::array<Waiting, most_levels> items;
    int count = 0;

    void push(const Waiting& item) noexcept { items[count++] = item; }
    Waiting pop() noexcept { return items[--count]; }
};

/// Calls visit(places, distances) for the leaves of a subtree, of distances
/// [leaf_size], while wanted(distance of the box).
template <int Dims, class Wanted, class Visit>
void walk(const Measure<Dims>& measure, index_t root, Places all, Wanted&& wanted,
          Visit&& visit) noexcept {
    const Tree& tree = measure.tree;
    double distances[leaf_size];
    Stack stack;
    stack.push({root, all, measure.nearest(root)});
    while (stack.count > 0) {
        auto [node, places, distance] = stack.pop();
        if (!wanted(distance)) continue;
        while (!tree.is_leaf(node)) {
            const double left = measure.nearest(2 * node);
            const double right = measure.nearest(2 * node + 1);
            const bool turn = right < left;
            const double farther = turn ? left : right;
            if (wanted(farther)) {
                stack.push({2 * node + !turn, places.half(!turn), farther});
            }
            node = 2 * node + turn;
            places = places.half(turn);
        }
        measure.each(node, distances);
        visit(places, distances);
    }
}

/// A leaf, and the subtrees that a walk from it to the root leaves aside.
struct Path {
    struct Aside {
        index_t node;
        Places places;
    };
    std::array<Aside, most_levels> asides; // from the root on
    index_t leaf;
    Places places;

    Path(const Tree& tree, index_t leaf_node) : leaf(leaf_node), places{0, tree.size} {
        for (int level = 0; level < tree.levels; ++level) {
            const int below = tree.levels - level - 1;
            const bool right = (leaf_node >> below) & 1;
            asides[level] = {(leaf_node >> below) ^ 1, places.half(!right)};
            places = places.half(right);
        }
    }
};

/// The same for a point of the tree, from its own leaf outwards.
template <int Dims, class Wanted, class Visit>
void walk_from(const Path& path, const Measure<Dims>& measure, Wanted&& wanted,
               Visit&& visit) noexcept {
    double distances[leaf_size];
    measure.each(path.leaf, distances);
    visit(path.places, distances);
    for (int level = measure.tree.levels - 1; level >= 0; --level) {
        const Path::Aside& aside = path.asides[level];
        walk(measure, aside.node, aside.places, wanted, visit);
    }
}

/// The k least distances, ascending.
struct Nearest {
    double* best;
    index_t k;

    Nearest(double* memory, index_t count) : best(memory), k(count) {
        std::fill(best, best + k, std::numeric_limits<double>::infinity());
    }
    bool wants(double distance) const noexcept { return distance < best[k - 1]; }
    void take(double distance) noexcept {
        index_t at = k - 1;
        for (; at > 0 && best[at - 1] > distance; --at) best[at] = best[at - 1];
        best[at] = distance;
    }
    /// How many are below the last.
    std::int64_t nearer() const noexcept {
        return std::lower_bound(best, best + k, best[k - 1]) - best;
    }
};

/// Offers what a walk finds to `nearest`, all but place `self`.
auto offer(Nearest& nearest, index_t self) noexcept {
    return [&nearest, self](Places places, const double* distances) {
        for (index_t j = 0; j < leaf_size; ++j) {
            if (nearest.wants(distances[j]) && places.first + j != self) {
                nearest.take(distances[j]);
            }
        }
    };
}

/// A ball without its surface, but never without its centre.
struct Open {
    double radius;
    bool operator()(double distance) const noexcept {
        return distance < radius || distance == 0;
    }
};

struct Closed {
    double radius;
    bool operator()(double distance) const noexcept { return distance <= radius; }
};

/// Points inside a ball, those of boxes that are wholly inside without a look.
template <int Dims, class Ball>
std::int64_t count(const Measure<Dims>& measure, const Ball& is_inside) noexcept {
    const Tree& tree = measure.tree;
    double distances[leaf_size];
    std::int64_t total = 0;
    Stack stack;
    stack.push({1, {0, tree.size}, measure.nearest(1)});
    while (stack.count > 0) {
        const auto [node, places, distance] = stack.pop();
        if (!is_inside(distance)) continue;
        if (is_inside(measure.farthest(node))) {
            total += places.size();
        } else if (tree.is_leaf(node)) {
            measure.each(node, distances);
            for (index_t j = 0; j < leaf_size; ++j) {
                total += is_inside(distances[j]);
            }
        } else {
            for (const bool right : {false, true}) {
                const index_t child = 2 * node + right;
                stack.push({child, places.half(right), measure.nearest(child)});
            }
        }
    }
    return total;
}

/// Calls f(measure, path, place, thread) for each point, leaf by leaf.
template <int Dims, class F>
void for_points(const Tree& tree, View2<const double> points, int n_threads,
                F&& f) noexcept {
    n_threads = worthwhile_threads(tree.size, queries_per_thread, n_threads);
    const index_t n_blocks = ceil_div(tree.leaves(), leaves_per_block);
    parallel_blocks(n_blocks, n_threads, [&](index_t block, int thread) {
        const index_t first = block * leaves_per_block;
        const index_t last = std::min(first + leaves_per_block, tree.leaves());
        for (index_t leaf = first; leaf < last; ++leaf) {
            const Path path(tree, tree.leaves() + leaf);
            for (index_t at = path.places.first; at < path.places.last; ++at) {
                f(Measure<Dims>{tree, points.row(tree.rows[at])}, path, at, thread);
            }
        }
    });
}

/// Calls f with the dimensions as a constant where they are few.
template <class F> void with_dims(index_t dims, F&& f) noexcept {
    switch (dims) {
    case 1:
        return f(std::integral_constant<int, 1>{});
    case 2:
        return f(std::integral_constant<int, 2>{});
    case 3:
        return f(std::integral_constant<int, 3>{});
    default:
        return f(std::integral_constant<int, 0>{});
    }
}

} // namespace

void kth_neighbours(View2<const double> points, View2<const double> queries, index_t k,
                    View1<double> distance, View1<std::int64_t> inside,
                    TreeScratch scratch, double* memory, int n_threads) noexcept {
    if (distance.size == 0) return;
    const Tree tree = build_tree(points, scratch, n_threads);
    const auto keep = [&](const Nearest& nearest, index_t row) {
        distance(row) = nearest.best[k - 1];
        inside(row) = nearest.nearer();
    };
    const auto wanted_by = [](const Nearest& nearest) {
        return [&nearest](double away) { return nearest.wants(away); };
    };
    with_dims(points.columns, [&](auto dims) {
        using M = Measure<decltype(dims)::value>;
        if (queries.data == nullptr) {
            const auto answer = [&](const M& measure, const Path& path, index_t place,
                                    int thread) {
                Nearest nearest(memory + thread * k, k);
                walk_from(path, measure, wanted_by(nearest), offer(nearest, place));
                keep(nearest, tree.rows[place]);
            };
            return for_points<decltype(dims)::value>(tree, points, n_threads, answer);
        }
        const index_t m = queries.rows;
        const int threads = worthwhile_threads(m, queries_per_thread, n_threads);
        const index_t n_blocks = ceil_div(m, queries_per_block);
        parallel_blocks(n_blocks, threads, [&](index_t block, int thread) {
            const index_t first = block * queries_per_block;
            const index_t last = std::min(first + queries_per_block, m);
            for (index_t row = first; row < last; ++row) {
                const M measure{tree, queries.row(row)};
                Nearest nearest(memory + thread * k, k);
                walk(measure, 1, {0, tree.size}, wanted_by(nearest),
                     offer(nearest, -1));
                keep(nearest, row);
            }
        });
    });
}

void count_inside(View2<const double> points, View1<const double> radius, bool closed,
                  View1<std::int64_t> counts, TreeScratch scratch,
                  int n_threads) noexcept {
    if (points.rows == 0) return;
    const Tree tree = build_tree(points, scratch, n_threads);
    with_dims(points.columns, [&](auto dims) {
        constexpr int D = decltype(dims)::value;
        for_points<D>(tree, points, n_threads,
                      [&](const Measure<D>& measure, const Path&, index_t place, int) {
                          const index_t row = tree.rows[place];
                          const double r = radius(row);
                          counts(row) = (closed ? count(measure, Closed{r})
                                                : count(measure, Open{r})) -
                                        1;
                      });
    });
}

void ball_extents(View2<const double> points, View1<const double> radius,
                  View1<std::int64_t> counts, View2<double> extents,
                  TreeScratch scratch, int n_threads) noexcept {
    if (points.rows == 0) return;
    const Tree tree = build_tree(points, scratch, n_threads);
    const auto reach = [&](const auto& measure, const Path& path, index_t self, int) {
        const index_t row = tree.rows[self];
        double* const extent = extents.row(row);
        std::fill(extent, extent + tree.dims, 0.0);
        std::int64_t total = 0;
        const auto wanted = [&](double distance) { return distance <= radius(row); };
        const auto visit = [&](Places places, const double* distances) {
            for (index_t j = 0; j < leaf_size; ++j) {
                const index_t place = places.first + j;
                if (!wanted(distances[j]) || place == self) continue;
                ++total;
                const double* const point = points.row(tree.rows[place]);
                for (index_t d = 0; d < tree.dims; ++d) {
                    extent[d] =
                        std::max(extent[d], std::fabs(point[d] - measure.point[d]));
                }
            }
        };
        if (radius(row) > 0) walk_from(path, measure, wanted, visit);
        counts(row) = total;
    };
    with_dims(points.columns, [&](auto dims) {
        for_points<decltype(dims)::value>(tree, points, n_threads, reach);
    });
}

} // namespace fastnotes::information
