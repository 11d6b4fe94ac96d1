#include "information/neighbours.hpp"

#include "common/parallel.hpp"

#include <array>
#include <limits>

namespace fastnotes::information {
namespace {

constexpr index_t queries_per_block = 128;
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

/// Calls visit(places, distances) for leaves, while wanted(distance of the box).
template <int Dims, class Wanted, class Visit>
void walk(const Measure<Dims>& measure, Wanted&& wanted, Visit&& visit) noexcept {
    const Tree& tree = measure.tree;
    double distances[leaf_size];
    Stack stack;
    stack.push({1, {0, tree.size}, measure.nearest(1)});
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
        measure.each(places, distances);
        visit(places, distances);
    }
}

/// The k least distances but that of place `self`, ascending.
template <int Dims>
void find_nearest(const Measure<Dims>& measure, index_t self, index_t k,
                  double* best) noexcept {
    std::fill(best, best + k, std::numeric_limits<double>::infinity());
    walk(
        measure, [&](double distance) { return distance < best[k - 1]; },
        [&](Places places, const double* distances) {
            for (index_t j = 0; j < places.size(); ++j) {
                const double distance = distances[j];
                if (!(distance < best[k - 1]) || places.first + j == self) continue;
                index_t at = k - 1;
                for (; at > 0 && best[at - 1] > distance; --at) best[at] = best[at - 1];
                best[at] = distance;
            }
        });
}

bool is_inside(double distance, double radius) noexcept {
    return distance < radius || distance == 0;
}

/// Points inside the radius, those of boxes that are wholly inside without a look.
template <int Dims>
std::int64_t count(const Measure<Dims>& measure, double radius) noexcept {
    const Tree& tree = measure.tree;
    double distances[leaf_size];
    std::int64_t total = 0;
    Stack stack;
    stack.push({1, {0, tree.size}, measure.nearest(1)});
    while (stack.count > 0) {
        const auto [node, places, distance] = stack.pop();
        if (!is_inside(distance, radius)) continue;
        if (is_inside(measure.farthest(node), radius)) {
            total += places.size();
        } else if (tree.is_leaf(node)) {
            measure.each(places, distances);
            for (index_t j = 0; j < places.size(); ++j) {
                total += is_inside(distances[j], radius);
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

/// Calls f(measure, row, place) for each point, in the tree's order.
template <int Dims, class F>
void for_points(const Tree& tree, View2<const double> points, int n_threads,
                F&& f) noexcept {
    n_threads = worthwhile_threads(tree.size, queries_per_thread, n_threads);
    const index_t n_blocks = ceil_div(tree.size, queries_per_block);
    parallel_blocks(n_blocks, n_threads, [&](index_t block, int thread) {
        const index_t first = block * queries_per_block;
        const index_t last = std::min(first + queries_per_block, tree.size);
        for (index_t place = first; place < last; ++place) {
            const index_t row = tree.rows[place];
            f(Measure<Dims>{tree, points.row(row)}, row, place, thread);
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

/// How many of the k ascending distances are below the last.
std::int64_t count_nearer(const double* best, index_t k) noexcept {
    return std::lower_bound(best, best + k, best[k - 1]) - best;
}

} // namespace

void kth_neighbours(View2<const double> points, View2<const double> queries, index_t k,
                    View1<double> distance, View1<std::int64_t> inside,
                    TreeScratch scratch, double* nearest, int n_threads) noexcept {
    if (distance.size == 0) return;
    const Tree tree = build_tree(points, scratch.doubles, scratch.rows, n_threads);
    with_dims(points.columns, [&](auto dims) {
        constexpr int D = decltype(dims)::value;
        const auto answer = [&](const Measure<D>& measure, index_t row, index_t self,
                                int thread) {
            double* const best = nearest + thread * k;
            find_nearest(measure, self, k, best);
            distance(row) = best[k - 1];
            inside(row) = count_nearer(best, k);
        };
        if (queries.data == nullptr) {
            return for_points<D>(tree, points, n_threads, answer);
        }
        const index_t m = queries.rows;
        const int threads = worthwhile_threads(m, queries_per_thread, n_threads);
        parallel_blocks(ceil_div(m, queries_per_block), threads,
                        [&](index_t block, int thread) {
                            const index_t first = block * queries_per_block;
                            const index_t last = std::min(first + queries_per_block, m);
                            for (index_t i = first; i < last; ++i) {
                                answer({tree, queries.row(i)}, i, -1, thread);
                            }
                        });
    });
}

void count_inside(View2<const double> points, View1<const double> radius,
                  View1<std::int64_t> counts, TreeScratch scratch,
                  int n_threads) noexcept {
    if (points.rows == 0) return;
    const Tree tree = build_tree(points, scratch.doubles, scratch.rows, n_threads);
    with_dims(points.columns, [&](auto dims) {
        constexpr int D = decltype(dims)::value;
        for_points<D>(tree, points, n_threads,
                      [&](const Measure<D>& measure, index_t row, index_t, int) {
                          counts(row) = count(measure, radius(row)) - 1;
                      });
    });
}

void ball_extents(View2<const double> points, View1<const double> radius,
                  View1<std::int64_t> counts, View2<double> extents,
                  TreeScratch scratch, int n_threads) noexcept {
    if (points.rows == 0) return;
    const Tree tree = build_tree(points, scratch.doubles, scratch.rows, n_threads);
    const auto reach = [&](const auto& measure, index_t row, index_t self, int) {
        double* const extent = extents.row(row);
        std::fill(extent, extent + tree.dims, 0.0);
        std::int64_t total = 0;
        walk(
            measure, [&](double distance) { return distance <= radius(row); },
            [&](Places places, const double* distances) {
                for (index_t j = 0; j < places.size(); ++j) {
                    const index_t place = places.first + j;
                    if (distances[j] > radius(row) || place == self) continue;
                    ++total;
                    for (index_t d = 0; d < tree.dims; ++d) {
                        const double* const line = tree.coordinates + d * tree.size;
                        const double away = std::fabs(line[place] - measure.point[d]);
                        extent[d] = std::max(extent[d], away);
                    }
                }
            });
        counts(row) = total;
    };
    with_dims(points.columns, [&](auto dims) {
        for_points<decltype(dims)::value>(tree, points, n_threads, reach);
    });
}

} // namespace fastnotes::information
