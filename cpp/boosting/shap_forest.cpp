#include "boosting/shap_forest.hpp"

#include <algorithm>
#include <cmath>

namespace fastnotes::boosting {
namespace {

using std::int32_t;

std::size_t place(index_t i) noexcept { return static_cast<std::size_t>(i); }

/// The n Gauss-Legendre points of [0, 1], ascending, by Newton's method from
/// Tricomi's estimate.
void append_quadrature(index_t n, ShapForest& out) {
    const auto order = static_cast<double>(n);
    for (index_t i = n; i >= 1; --i) {
        double x =
            std::cos(std::acos(-1.0) * (static_cast<double>(i) - 0.25) / (order + 0.5));
        double slope = 1.0;
        for (int step = 0; step < 20; ++step) {
            double before = 1.0, value = x;
            for (index_t k = 2; k <= n; ++k) {
                const auto d = static_cast<double>(k);
                const double next = ((2 * d - 1) * x * value - (d - 1) * before) / d;
                before = value;
                value = next;
            }
            slope = order * (x * value - before) / (x * x - 1);
            const double change = value / slope;
            x -= change;
            if (std::abs(change) < 1e-16) break;
        }
        out.points.push_back(0.5 + 0.5 * x);
        out.weights.push_back(1 / ((1 - x * x) * slope * slope));
    }
}

class Layout {
  public:
    Layout(const Trees& trees, ShapForest& out)
        : trees_(trees), out_(out), slot_(place(2 * trees.n_features), -1),
          column_(place(trees.n_features), -1) {}

    ShapStatus add(index_t tree) {
        root_ = trees_.root(tree);
        PathTree built{static_cast<index_t>(out_.nodes.size()),
                       trees_.size_of(tree),
                       static_cast<index_t>(out_.columns.size()),
                       0,
                       trees_.tree_output(tree),
                       1};
        nodes_.assign(place(built.n_nodes), PathNode{-1, -1, -1, -1, -1, 0, -1, 0, 0});
        share_.assign(place(built.n_nodes), 1.0);
        reach_.assign(place(built.n_nodes), 1.0);
        path_.assign(place(built.n_nodes), 0);
        int32_t longest = 0;
        double expectation = 0;
        for (index_t i = 0; i < built.n_nodes; ++i) {
            PathNode& node = nodes_[place(i)];
            node.value = static_cast<double>(trees_.value(root_ + i));
            if (trees_.feature(root_ + i) < 0) {
                expectation += reach_[place(i)] * node.value;
                continue;
            }
            fill_inner(i, built.first_column);
            longest = std::max(longest, path_[place(node.left)]);
        }
        if (longest > most_path_columns) return ShapStatus::path_too_long;
        built.n_columns =
            static_cast<index_t>(out_.columns.size()) - built.first_column;
        built.n_points = std::max((longest + 1) / 2, 1);
        for (index_t i = built.first_column; i < built.first_column + built.n_columns;
             ++i) {
            column_[place(out_.columns[place(i)])] = -1;
        }
        out_.nodes.insert(out_.nodes.end(), nodes_.begin(), nodes_.end());
        out_.share.insert(out_.share.end(), share_.begin(), share_.end());
        out_.expectation[place(built.output)] += expectation;
        out_.most_nodes = std::max(out_.most_nodes, built.n_nodes);
        out_.most_columns = std::max(out_.most_columns, built.n_columns);
        out_.most_path = std::max<index_t>(out_.most_path, longest);
        out_.trees.push_back(built);
        return ShapStatus::ok;
    }

  private:
    void fill_inner(index_t i, index_t first_column) {
        const index_t at = root_ + i;
        PathNode& node = nodes_[place(i)];
        const int32_t feature = trees_.feature(at);
        auto& column = column_[place(feature)];
        if (column < 0) {
            column = static_cast<int32_t>(static_cast<index_t>(out_.columns.size()) -
                                          first_column);
            out_.columns.push_back(feature);
        }
        node.column = column;
        node.left = trees_.left(at);
        node.right = trees_.right(at);
        node.threshold = trees_.threshold(at);
        bool missing_left = trees_.default_left(at);
        if (trees_.is_categorical(at)) {
            const index_t words = trees_.category_offsets(at);
            node.set = static_cast<int32_t>(out_.sets.size());
            out_.sets.push_back(
                {words, trees_.category_offsets(at + 1) - words, missing_left});
            missing_left = false; // sets see NaN as it is
        }
        auto& slot = slot_[place(2 * feature + missing_left)];
        if (slot < 0) {
            slot = static_cast<int32_t>(out_.slots.size());
            out_.slots.push_back({feature, missing_left});
        }
        node.slot = slot;
        for (int32_t edge = static_cast<int32_t>(i); nodes_[place(edge)].parent >= 0;
             edge = nodes_[place(edge)].parent) {
            if (nodes_[place(nodes_[place(edge)].parent)].column == column) {
                node.above = edge;
                break;
            }
        }
        const auto left = static_cast<double>(trees_.cover(root_ + node.left));
        const auto right = static_cast<double>(trees_.cover(root_ + node.right));
        const double ratio = left + right > 0 ? left / (left + right) : 0.5;
        fill_child(i, node.left, ratio);
        fill_child(i, node.right, 1 - ratio);
    }

    void fill_child(index_t i, int32_t child, double ratio) {
        const PathNode& node = nodes_[place(i)];
        nodes_[place(child)].parent = static_cast<int32_t>(i);
        share_[place(child)] =
            (node.above < 0 ? 1.0 : share_[place(node.above)]) * ratio;
        reach_[place(child)] = reach_[place(i)] * ratio;
        path_[place(child)] = path_[place(i)] + (node.above < 0 ? 1 : 0);
    }

    const Trees& trees_;
    ShapForest& out_;
    index_t root_ = 0;
    std::vector<int32_t> slot_, column_; ///< by column and direction; by column
    std::vector<PathNode> nodes_;
    std::vector<double> share_, reach_; ///< reach: share of the cover at a node
    std::vector<int32_t> path_;         ///< columns above a node
};

} // namespace

ShapStatus make_shap_forest(const Trees& trees, ShapForest& out) {
    out.n_features = trees.n_features;
    out.n_outputs = trees.base_score.size;
    out.expectation.assign(place(out.n_outputs), 0.0);
    out.words.assign(trees.category_words.begin(), trees.category_words.end());
    Layout layout(trees, out);
    for (index_t t = 0; t < trees.n_trees(); ++t) {
        if (const auto status = layout.add(t); status != ShapStatus::ok) return status;
    }
    for (index_t n = 1; n <= std::max<index_t>((out.most_path + 1) / 2, 1); ++n) {
        append_quadrature(n, out);
    }
    return ShapStatus::ok;
}

} // namespace fastnotes::boosting
