#include "boosting/shap.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using V = simd::Vec<double>;

constexpr index_t strip = 8; ///< rows that pass a tree together
constexpr index_t most_block_rows = 256;
constexpr index_t slot_bytes = index_t{1} << 20; ///< of a block's values
constexpr index_t points_at_once = 8;
constexpr index_t grain = 1024; ///< rows x trees that are worth a thread

std::size_t place(index_t i) noexcept { return static_cast<std::size_t>(i); }

/// What an edge does to a product at one point t, by the states of its column: first
/// here and still on the path's side, fallen off here, fallen off above; and the
/// coefficient (o - z) / (z (1-t) + o t) of its column on and off the path.
struct EdgeFactors {
    double on, off, off_above;
    double slope_on, slope_off;
};

/// Scratch of a thread, cut from one piece of memory.
struct Bench {
    double *values, *share, *product, *state, *sums, *pairs;
    EdgeFactors* factors;
    int32_t* path;
};

struct BenchSize {
    index_t values, nodes, factors, columns, pairs, path;
    index_t total() const noexcept {
        return values + nodes + 2 * nodes * strip + factors + columns * strip +
               pairs * strip + path;
    }
};

index_t rows_of_block(const ShapForest& forest) noexcept {
    const auto n_slots = static_cast<index_t>(forest.slots.size());
    const index_t fit = slot_bytes / (8 * std::max<index_t>(n_slots, 1));
    return std::clamp<index_t>(fit / strip * strip, 4 * strip, most_block_rows);
}

BenchSize bench_size(const ShapForest& forest, bool interactions) noexcept {
    constexpr index_t per_edge = sizeof(EdgeFactors) / sizeof(double);
    // A line more than a power of two: products and states must not share cache sets.
    const index_t columns = forest.most_columns;
    const index_t nodes = round_up(forest.most_nodes, 8) + 8;
    return {static_cast<index_t>(forest.slots.size()) * rows_of_block(forest),
            nodes,
            points_at_once * nodes * per_edge,
            columns,
            interactions ? columns * (columns - 1) / 2 : 0,
            interactions ? round_up(forest.most_path, 8) : 0};
}

Bench cut(double* scratch, const BenchSize& size) noexcept {
    Bench bench{};
    const auto take = [&](index_t n) {
        double* const piece = scratch;
        scratch += n;
        return piece;
    };
    bench.product = take(size.nodes * strip);
    bench.state = take(size.nodes * strip);
    bench.sums = take(size.columns * strip);
    bench.pairs = take(size.pairs * strip);
    bench.values = take(size.values);
    bench.share = take(size.nodes);
    bench.factors = reinterpret_cast<EdgeFactors*>(take(size.factors));
    bench.path = reinterpret_cast<int32_t*>(take(size.path));
    return bench;
}

/// One tree with the shares of its edges, and a thread's bench.
struct Task {
    const ShapForest& forest;
    const PathTree& tree;
    const PathNode* nodes;
    const double* share;
    const Bench& bench;
    index_t stride; ///< of a slot's values

    double slope(index_t edge, double t, bool on) const noexcept {
        const double z = share[edge];
        if (on) return (1 - z) / (z * (1 - t) + t);
        return z > 0 ? -1 / (1 - t) : 0.0; // without a share there is no product
    }

    /// Factors of all edges at one point. Those of leaves include their values.
    void make_factors(double t, EdgeFactors* out) const noexcept {
        for (index_t i = 1; i < tree.n_nodes; ++i) {
            const double z = share[i], value = nodes[i].column < 0 ? nodes[i].value : 1;
            const int32_t above = nodes[nodes[i].parent].above;
            const double on = z * (1 - t) + t, off = z * (1 - t);
            EdgeFactors& factors = out[i];
            factors = {value * on, value * off, 0.0, slope(i, t, true),
                       slope(i, t, false)};
            if (above >= 0) {
                const double before = share[above];
                factors.on /= before * (1 - t) + t;
                factors.off /= before * (1 - t) + t;
                factors.off_above = before > 0 ? value * z / before : 0.0;
            }
        }
    }

    using Mask = typename V::mask_type;
    Mask on(int32_t edge, index_t lane) const noexcept {
        const auto raw = simd::load<V>(bench.state + edge * strip + lane).raw;
        return {(typename Mask::raw_type)raw};
    }
    void set_on(int32_t edge, index_t lane, Mask mask) const noexcept {
        simd::store(bench.state + edge * strip + lane,
                    V((typename V::raw_type)mask.raw));
    }

    Mask goes_left(const PathNode& node, index_t row, index_t lane) const noexcept {
        const double* const values = bench.values + node.slot * stride + row + lane;
        if (node.set < 0) return simd::load<V>(values) <= V(node.threshold);
        const CategorySet& set = forest.sets[place(node.set)];
        double left[V::size];
        for (int i = 0; i < V::size; ++i) {
            const bool in_set = values[i] >= 0
                                    ? holds_category(forest.words.data() + set.first,
                                                     set.n_words, values[i])
                                    : set.default_left;
            left[i] = in_set ? 1.0 : 0.0;
        }
        return simd::load<V>(left) > V(0.0);
    }

    /// Whether rows are on the side of every edge, of all conditions on its column.
    void find_states(index_t row) const noexcept {
        for (index_t i = 0; i < tree.n_nodes; ++i) {
            const PathNode& node = nodes[i];
            if (node.column < 0) continue;
            for (index_t lane = 0; lane < strip; lane += V::size) {
                Mask left = goes_left(node, row, lane), right = !left;
                if (node.above >= 0) {
                    left = left & on(node.above, lane);
                    right = right & on(node.above, lane);
                }
                set_on(node.left, lane, left);
                set_on(node.right, lane, right);
            }
        }
    }

    /// What an edge's states choose from; read before anything is stored, since for all
    /// the compiler knows the store might change it.
    struct Choice {
        V on, off, off_above;
    };
    static Choice factor_of(const EdgeFactors& f) noexcept {
        return {V(f.on), V(f.off), V(f.off_above)};
    }
    V slope_of(int32_t edge, const EdgeFactors* factors, index_t lane) const noexcept {
        const EdgeFactors& f = factors[edge];
        return select(on(edge, lane), V(f.slope_on), V(f.slope_off));
    }

    /// Products of all paths, from the root down.
    void pass_down(double weight, const EdgeFactors* factors) const noexcept {
        std::fill_n(bench.product, strip, weight);
        for (index_t i = 0; i < tree.n_nodes; ++i) {
            const PathNode& node = nodes[i];
            if (node.column < 0) continue;
            const double* const here = bench.product + i * strip;
            for (const int32_t child : {node.left, node.right}) {
                const Choice factor = factor_of(factors[child]);
                double* const out = bench.product + child * strip;
                for (index_t lane = 0; lane < strip; lane += V::size) {
                    V chosen = factor.off;
                    if (node.above >= 0) {
                        chosen = select(on(node.above, lane), chosen, factor.off_above);
                    }
                    chosen = select(on(child, lane), factor.on, chosen);
                    simd::store(out + lane, simd::load<V>(here + lane) * chosen);
                }
            }
        }
    }

    /// Sums of the paths through every edge, from the leaves up, in place; on the way
    /// they give the columns what the edge changes for its column.
    void pass_up(const EdgeFactors* factors) const noexcept {
        for (index_t i = tree.n_nodes - 1; i >= 0; --i) {
            const PathNode& node = nodes[i];
            if (node.column < 0) continue;
            const EdgeFactors &l = factors[node.left], &r = factors[node.right];
            const V left_on(l.slope_on), left_off(l.slope_off);
            const V right_on(r.slope_on), right_off(r.slope_off);
            const double* const left = bench.product + node.left * strip;
            const double* const right = bench.product + node.right * strip;
            double* const here = bench.product + i * strip;
            double* const sums = bench.sums + node.column * strip;
            for (index_t lane = 0; lane < strip; lane += V::size) {
                const V below_left = simd::load<V>(left + lane);
                const V below_right = simd::load<V>(right + lane);
                const V both = below_left + below_right;
                V sum = simd::load<V>(sums + lane);
                sum = simd::fma(select(on(node.right, lane), right_on, right_off),
                                below_right, sum);
                sum = simd::fma(select(on(node.left, lane), left_on, left_off),
                                below_left, sum);
                if (node.above >= 0) { // the edges here take over from the one above
                    sum = simd::fma(-slope_of(node.above, factors, lane), both, sum);
                }
                simd::store(here + lane, both);
                simd::store(sums + lane, sum);
            }
        }
    }

    /// Adds every leaf to the pairs of its path's columns; products are still those of
    /// pass_down.
    void add_pairs(const EdgeFactors* factors) const noexcept {
        for (index_t i = 1; i < tree.n_nodes; ++i) {
            if (nodes[i].column >= 0) continue;
            const index_t n = last_edges(static_cast<int32_t>(i));
            for (index_t a = 1; a < n; ++a) {
                for (index_t b = 0; b < a; ++b) {
                    add_pair(static_cast<int32_t>(i), bench.path[a], bench.path[b],
                             factors);
                }
            }
        }
    }

    /// The last edge of each column on the way to a leaf; returns how many.
    index_t last_edges(int32_t leaf) const noexcept {
        index_t n = 0;
        for (int32_t edge = leaf; edge > 0; edge = nodes[edge].parent) {
            const auto same = [&](int32_t other) {
                return column_of(other) == column_of(edge);
            };
            if (std::none_of(bench.path, bench.path + n, same)) bench.path[n++] = edge;
        }
        return n;
    }
    int32_t column_of(int32_t edge) const noexcept {
        return nodes[nodes[edge].parent].column;
    }

    void add_pair(int32_t leaf, int32_t one, int32_t other,
                  const EdgeFactors* factors) const noexcept {
        const index_t a = std::max(column_of(one), column_of(other));
        const index_t b = std::min(column_of(one), column_of(other));
        double* const sums = bench.pairs + (a * (a - 1) / 2 + b) * strip;
        for (index_t lane = 0; lane < strip; lane += V::size) {
            const V slopes =
                slope_of(one, factors, lane) * slope_of(other, factors, lane);
            const V product = simd::load<V>(bench.product + leaf * strip + lane);
            simd::store(sums + lane,
                        simd::fma(slopes, product, simd::load<V>(sums + lane)));
        }
    }
};

/// Shares of the edges for one background row: 1 where it is on the edge's side of its
/// column's conditions, else 0.
void share_of_row(const ShapForest& forest, const PathTree& tree, const double* values,
                  double* share) noexcept {
    const PathNode* const nodes = forest.nodes.data() + tree.first_node;
    for (index_t i = 0; i < tree.n_nodes; ++i) {
        const PathNode& node = nodes[i];
        if (node.column < 0) continue;
        const double value = values[node.slot];
        bool left = value <= node.threshold;
        if (node.set >= 0) {
            const CategorySet& set = forest.sets[place(node.set)];
            left = value >= 0 ? holds_category(forest.words.data() + set.first,
                                               set.n_words, value)
                              : set.default_left;
        }
        const double before = node.above < 0 ? 1.0 : share[node.above];
        share[node.left] = left ? before : 0.0;
        share[node.right] = left ? 0.0 : before;
    }
}

template <class T> double slot_value(const Slot& slot, const T* x) noexcept {
    const auto value = static_cast<double>(x[slot.column]);
    return value != value && slot.missing_left
               ? -std::numeric_limits<double>::infinity()
               : value;
}

struct Outputs {
    View3<double> contributions, interactions;
};

/// A block of rows through one tree with given shares; adds `scale` times the result.
void add_tree(const Task& task, const View1<const double>& points,
              const double* weights, index_t first, index_t n, double scale,
              const Outputs& out) noexcept {
    const ShapForest& forest = task.forest;
    const PathTree& tree = task.tree;
    const Bench& bench = task.bench;
    const int32_t* const columns = forest.columns.data() + tree.first_column;
    const index_t n_pairs = tree.n_columns * (tree.n_columns - 1) / 2;
    const bool with_pairs = out.interactions.data != nullptr;
    const index_t width = forest.n_features + 1;
    for (index_t q = 0; q < points.size; ++q) {
        task.make_factors(points(q), bench.factors + q * tree.n_nodes);
    }
    for (index_t row = 0; row < n; row += strip) {
        task.find_states(row);
        std::fill_n(bench.sums, tree.n_columns * strip, 0.0);
        if (with_pairs) std::fill_n(bench.pairs, n_pairs * strip, 0.0);
        for (index_t q = 0; q < points.size; ++q) {
            const EdgeFactors* const factors = bench.factors + q * tree.n_nodes;
            task.pass_down(scale * weights[q], factors);
            if (with_pairs) task.add_pairs(factors);
            task.pass_up(factors);
        }
        const index_t count = std::min(strip, n - row);
        for (index_t i = 0; i < count; ++i) {
            const index_t to = (first + row + i) * forest.n_outputs + tree.output;
            double* const sums = out.contributions.data + to * width;
            for (index_t c = 0; c < tree.n_columns; ++c) {
                sums[columns[c]] += bench.sums[c * strip + i];
            }
            if (!with_pairs) continue;
            double* const pairs = out.interactions.plane(to).data;
            const double* from = bench.pairs + i;
            for (index_t a = 1; a < tree.n_columns; ++a) {
                for (index_t b = 0; b < a; ++b, from += strip) {
                    const index_t one = std::max(columns[a], columns[b]);
                    const index_t other = std::min(columns[a], columns[b]);
                    pairs[one * width + other] += 0.5 * *from;
                }
            }
        }
    }
}

/// Fills the upper triangle, and the diagonal with what is left of the contributions.
void finish_interactions(const double* contributions, index_t width,
                         double* pairs) noexcept {
    for (index_t a = 0; a < width; ++a) {
        for (index_t b = 0; b < a; ++b) pairs[b * width + a] = pairs[a * width + b];
    }
    for (index_t a = 0; a < width; ++a) {
        double others = 0;
        for (index_t b = 0; b < width; ++b) {
            if (b != a) others += pairs[a * width + b];
        }
        pairs[a * width + a] = contributions[a] - others;
    }
}

template <class T> struct Call {
    const ShapForest& forest;
    View2<const T> X;
    View2<const double> background;
    View1<const double> base;
    Outputs out;
};

template <class T>
void explain_tree(const Call<T>& call, const PathTree& tree, index_t first, index_t n,
                  index_t stride, const Bench& bench) noexcept {
    const ShapForest& forest = call.forest;
    const index_t at = index_t{tree.n_points} * (tree.n_points - 1) / 2;
    const double* const points = forest.points.data() + at;
    const double* const weights = forest.weights.data() + at;
    const PathNode* const nodes = forest.nodes.data() + tree.first_node;
    const auto add = [&](const double* share, double scale) {
        const Task task{forest, tree, nodes, share, bench, stride};
        for (index_t q = 0; q < tree.n_points; q += points_at_once) {
            const index_t count = std::min(points_at_once, tree.n_points - q);
            add_tree(task, {points + q, count}, weights + q, first, n, scale, call.out);
        }
    };
    if (call.background.data == nullptr) {
        add(forest.share.data() + tree.first_node, 1.0);
        return;
    }
    const double scale = 1.0 / static_cast<double>(call.background.rows);
    for (index_t b = 0; b < call.background.rows; ++b) {
        share_of_row(forest, tree, call.background.row(b), bench.share);
        add(bench.share, scale);
    }
}

/// The outputs of rows [first, first + n).
template <class T>
void explain_block(const Call<T>& call, index_t first, index_t n, index_t stride,
                   const Bench& bench) noexcept {
    const ShapForest& forest = call.forest;
    const auto n_slots = static_cast<index_t>(forest.slots.size());
    const index_t width = forest.n_features + 1;
    for (index_t s = 0; s < n_slots; ++s) {
        double* const values = bench.values + s * stride;
        for (index_t i = 0; i < n; ++i) {
            values[i] = slot_value(forest.slots[place(s)], call.X.row(first + i));
        }
        std::fill(values + n, values + round_up(n, strip), 0.0);
    }
    for (index_t i = first * forest.n_outputs; i < (first + n) * forest.n_outputs;
         ++i) {
        double* const sums = call.out.contributions.data + i * width;
        std::fill_n(sums, width - 1, 0.0);
        sums[width - 1] = call.base(i % forest.n_outputs);
        if (call.out.interactions.data != nullptr) {
            std::fill_n(call.out.interactions.plane(i).data, width * width, 0.0);
        }
    }
    for (const PathTree& tree : forest.trees) {
        if (tree.n_columns == 0) continue;
        explain_tree(call, tree, first, n, stride, bench);
    }
    if (call.out.interactions.data == nullptr) return;
    for (index_t i = first * forest.n_outputs; i < (first + n) * forest.n_outputs;
         ++i) {
        finish_interactions(call.out.contributions.data + i * width, width,
                            call.out.interactions.plane(i).data);
    }
}

} // namespace

template <class T>
void fill_background(const ShapForest& forest, View2<const T> X,
                     View2<double> values) noexcept {
    for (index_t row = 0; row < X.rows; ++row) {
        for (index_t s = 0; s < values.columns; ++s) {
            values(row, s) = slot_value(forest.slots[place(s)], X.row(row));
        }
    }
}

index_t shap_scratch(const ShapForest& forest, bool interactions,
                     int n_threads) noexcept {
    return bench_size(forest, interactions).total() * n_threads;
}

template <class T>
void explain(const ShapForest& forest, View2<const T> X, View2<const double> background,
             View1<const double> base, View3<double> contributions,
             View3<double> interactions, double* scratch, int n_threads) noexcept {
    const Call<T> call{forest, X, background, base, {contributions, interactions}};
    const BenchSize size = bench_size(forest, interactions.data != nullptr);
    const index_t stride = rows_of_block(forest);
    const index_t work = X.rows * static_cast<index_t>(forest.trees.size()) *
                         std::max<index_t>(background.rows, 1);
    const int threads = worthwhile_threads(work, grain, n_threads);
    const index_t fair = round_up(ceil_div(X.rows, threads), strip);
    const index_t step = std::clamp(fair, strip, stride);
    parallel_blocks(ceil_div(X.rows, step), threads, [&](index_t block, int thread) {
        const index_t first = block * step;
        explain_block(call, first, std::min(step, X.rows - first), stride,
                      cut(scratch + thread * size.total(), size));
    });
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template void fill_background<T>(const ShapForest&, View2<const T>,                \
                                     View2<double>) noexcept;                          \
    template void explain<T>(const ShapForest&, View2<const T>, View2<const double>,   \
                             View1<const double>, View3<double>, View3<double>,        \
                             double*, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
