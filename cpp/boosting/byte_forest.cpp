#include "boosting/byte_forest.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int8_t;
using std::uint32_t;

std::size_t place(index_t i) noexcept { return static_cast<std::size_t>(i); }

constexpr index_t few_leaves = 64;       ///< of every tree: smaller tables
constexpr index_t most_group_sets = 512; ///< planes of 256 bytes, to stay in L2

/// Cycles per row, estimated; they only choose between ways of equal result.
constexpr double code_cost = 4.0, set_cost = 3.0, program_cost = 0.065;
constexpr double complete_cost = 0.025, tree_cost = 1.0, step_cost = 3.0;

/// The largest float not above a threshold: it has the same floats on its left.
float round_down(double threshold) noexcept {
    const auto nearest = static_cast<float>(threshold);
    return static_cast<double>(nearest) > threshold
               ? std::nextafter(nearest, -std::numeric_limits<float>::infinity())
               : nearest;
}

/// Category sets by column, direction of missing, and words.
using SetKey = std::tuple<int32_t, bool, std::vector<uint32_t>>;

SetKey set_key(const Trees& trees, index_t node) {
    const auto first = trees.category_offsets(node);
    const auto last = trees.category_offsets(node + 1);
    return {trees.feature(node),
            trees.default_left(node),
            {trees.category_words.data + first, trees.category_words.data + last}};
}

using Cuts = std::map<int32_t, std::vector<double>>;

/// What the trees of a group ask: cuts by column, and sets.
struct Conditions {
    Cuts cuts;
    std::set<SetKey> sets;

    /// Adds those of a tree; false if that makes too many of either.
    bool add(const Trees& trees, index_t tree) {
        const index_t root = trees.root(tree);
        for (index_t node = root; node < root + trees.size_of(tree); ++node) {
            if (trees.feature(node) < 0) continue;
            if (trees.is_categorical(node)) {
                sets.insert(set_key(trees, node));
                continue;
            }
            auto& column = cuts[trees.feature(node)];
            const double cut = trees.threshold(node);
            const auto at = std::lower_bound(column.begin(), column.end(), cut);
            if (at == column.end() || *at != cut) column.insert(at, cut);
        }
        const auto fits = [](const auto& column) {
            return static_cast<index_t>(column.second.size()) <= most_group_cuts;
        };
        return static_cast<index_t>(sets.size()) <= most_group_sets &&
               std::all_of(cuts.begin(), cuts.end(), fits);
    }
};

/// Builds one group: its planes, and its trees as programs.
class GroupBuilder {
  public:
    GroupBuilder(const Trees& trees, ByteForest& out, ByteGroup& group,
                 const Cuts& cuts)
        : trees_(trees), out_(out), group_(group), cuts_(cuts) {}

    void build() {
        for (index_t t = group_.first_tree; t < group_.last_tree; ++t) build_tree(t);
        for (auto& [column, planes] : numeric_) {
            planes.lookup = add_lookup(cuts_.at(column));
            planes.n_cuts = static_cast<int32_t>(cuts_.at(column).size());
            group_.numeric.push_back(planes);
        }
        for (const auto& [key, plane] : sets_) {
            const auto& [column, default_left, words] = key;
            const auto first = static_cast<index_t>(out_.words.size());
            group_.sets.push_back({column, plane, default_left, first,
                                   static_cast<index_t>(words.size())});
            out_.words.insert(out_.words.end(), words.begin(), words.end());
        }
        if (walk_is_faster()) {
            for (index_t t = group_.first_tree; t < group_.last_tree; ++t) {
                out_.trees[place(t)].pass = Pass::walk;
            }
            group_.numeric.clear();
            group_.sets.clear();
        }
        out_.most_planes = std::max(out_.most_planes, group_.n_planes);
    }

  private:
    bool is_leaf(index_t node) const noexcept { return trees_.feature(node) < 0; }
    index_t left(index_t node) const noexcept { return root_ + trees_.left(node); }
    index_t right(index_t node) const noexcept { return root_ + trees_.right(node); }

    void build_tree(index_t tree) {
        ByteTree& built = out_.trees[place(tree)];
        if (built.pass == Pass::walk) return;
        root_ = trees_.root(tree);
        measure(trees_.size_of(tree));
        const index_t n_leaves = leaves_[0], depth = depth_[0];
        walk_cost_ += step_cost * static_cast<double>(depth + 1);
        built.first = static_cast<index_t>(out_.nodes.size());
        const index_t full = (index_t{1} << std::min<index_t>(depth, 8)) - 1;
        const auto all = static_cast<double>(full);
        const auto own = static_cast<double>(n_leaves - 1);
        tree_ = tree;
        // A complete tree has no more leaf numbers than the stride of all.
        const index_t levels = n_leaves <= few_leaves ? 6 : most_complete_depth;
        if (depth > 0 && depth <= levels && complete_cost * all <= program_cost * own) {
            built.pass = Pass::complete;
            built.depth = static_cast<int32_t>(depth);
            lay_complete(root_, depth, 0);
            byte_cost_ += complete_cost * all + tree_cost;
        } else {
            built.pass = Pass::program;
            lay_program(trees_.size_of(tree));
            byte_cost_ += program_cost * own + tree_cost;
        }
        built.last = static_cast<index_t>(out_.nodes.size());
    }

    /// Leaves and depth below every node, children before parents.
    void measure(index_t size) {
        leaves_.assign(place(size), 1);
        depth_.assign(place(size), 0);
        for (index_t i = size - 1; i >= 0; --i) {
            if (is_leaf(root_ + i)) continue;
            const auto l = place(trees_.left(root_ + i));
            const auto r = place(trees_.right(root_ + i));
            leaves_[place(i)] = leaves_[l] + leaves_[r];
            depth_[place(i)] = 1 + std::max(depth_[l], depth_[r]);
        }
    }

    void put_leaf(index_t number, index_t node) {
        const auto at = place(tree_ * out_.leaf_stride + number);
        out_.leaf_value[at] = static_cast<double>(trees_.value(node));
        out_.origin[at] = static_cast<int32_t>(node - root_);
    }

    /// The program, by rising distance from the leaves: neighbours are independent, and
    /// the processor works on several. A node's result takes the place of a child's.
    void lay_program(index_t size) {
        std::vector<index_t> order, of_node(place(size));
        index_t n_leaves = 0, n_results = 0;
        for (index_t i = 0; i < size; ++i) {
            if (is_leaf(root_ + i)) {
                put_leaf(n_leaves, root_ + i);
                of_node[place(i)] = n_leaves++;
            } else {
                order.push_back(i);
            }
        }
        std::stable_sort(order.begin(), order.end(), [&](index_t a, index_t b) {
            return depth_[place(a)] < depth_[place(b)];
        });
        for (const index_t i : order) {
            const index_t low = of_node[place(trees_.left(root_ + i))];
            const index_t high = of_node[place(trees_.right(root_ + i))];
            index_t& out = of_node[place(i)];
            out = std::max(low, high); // a result, if either child has one
            if (out < most_byte_leaves) out = most_byte_leaves + n_results++;
            ByteNode laid = condition(root_ + i);
            laid.left = operand(low);
            laid.right = operand(high);
            laid.out = operand(out);
            out_.nodes.push_back(laid);
        }
        out_.most_results = std::max(out_.most_results, n_results);
    }
    static std::uint16_t operand(index_t number) noexcept {
        return static_cast<std::uint16_t>(number * strip_rows);
    }

    /// The node and what is below it, padded to `depth` levels by nodes with the same
    /// leaf on both sides; `leaf` is the first leaf number below.
    void lay_complete(index_t node, index_t depth, index_t leaf) {
        if (depth == 0) {
            put_leaf(leaf, node);
            return;
        }
        const index_t half = index_t{1} << (depth - 1);
        if (is_leaf(node)) {
            out_.nodes.push_back({});
            lay_complete(node, depth - 1, leaf);
            lay_complete(node, depth - 1, leaf + half);
        } else {
            out_.nodes.push_back(condition(node));
            lay_complete(left(node), depth - 1, leaf);
            lay_complete(right(node), depth - 1, leaf + half);
        }
    }

    ByteNode condition(index_t node) {
        if (trees_.is_categorical(node)) {
            const auto [at, is_new] = sets_.emplace(set_key(trees_, node), 0);
            if (is_new) at->second = static_cast<int32_t>(group_.n_planes++);
            return on_plane(at->second, 0);
        }
        const int32_t column = trees_.feature(node);
        const auto [at, is_new] =
            numeric_.emplace(column, NumericPlanes{column, -1, -1, 0, 0});
        int32_t& plane = trees_.default_left(node) ? at->second.left : at->second.right;
        if (plane < 0) plane = static_cast<int32_t>(group_.n_planes++);
        const auto& cuts = cuts_.at(column);
        const auto cut =
            std::lower_bound(cuts.begin(), cuts.end(), trees_.threshold(node));
        return on_plane(plane, (cut - cuts.begin()) - 127);
    }

    static ByteNode on_plane(int32_t plane, index_t cut) noexcept {
        return {static_cast<uint32_t>(plane * plane_rows), 0, 0, 0,
                static_cast<int8_t>(cut)};
    }

    index_t add_lookup(const std::vector<double>& cuts) {
        const auto number = static_cast<index_t>(out_.lookups64.size()) / lookup_size;
        std::vector<float> rounded(cuts.size());
        std::transform(cuts.begin(), cuts.end(), rounded.begin(), round_down);
        const auto size = place((number + 1) * lookup_size);
        out_.lookups32.resize(size);
        out_.lookups64.resize(size);
        const auto n = static_cast<index_t>(cuts.size());
        make_lookup(rounded.data(), n, &out_.lookups32[place(number * lookup_size)]);
        make_lookup(cuts.data(), n, &out_.lookups64[place(number * lookup_size)]);
        return number;
    }

    bool walk_is_faster() const noexcept {
        const double planes = code_cost * static_cast<double>(numeric_.size()) +
                              set_cost * static_cast<double>(sets_.size());
        return walk_cost_ <= byte_cost_ + planes;
    }

    const Trees& trees_;
    ByteForest& out_;
    ByteGroup& group_;
    const Cuts& cuts_;
    std::map<int32_t, NumericPlanes> numeric_;
    std::map<SetKey, int32_t> sets_;
    std::vector<int32_t> leaves_, depth_;
    index_t root_ = 0, tree_ = 0;
    double walk_cost_ = 0, byte_cost_ = 0;
};

/// Whether a tree can be a program: its leaf numbers and its cuts fit a byte.
bool suits_bytes(const Trees& trees, index_t tree) {
    const index_t n_leaves = (trees.size_of(tree) + 1) / 2;
    if (n_leaves < most_byte_leaves) return true; // at most 254 cuts
    return n_leaves == most_byte_leaves && Conditions().add(trees, tree);
}

/// Conditions of the longest run of trees from group.first_tree that fits; sets
/// group.last_tree.
Conditions take_trees(const Trees& trees, ByteForest& out, ByteGroup& group) {
    const auto add = [&](Conditions& conditions, index_t tree) {
        return out.trees[place(tree)].pass == Pass::walk || conditions.add(trees, tree);
    };
    Conditions conditions;
    index_t& last = group.last_tree;
    for (last = group.first_tree; last < trees.n_trees(); ++last) {
        if (add(conditions, last)) continue;
        conditions = Conditions(); // without those of the first that does not fit
        for (index_t t = group.first_tree; t < last; ++t) add(conditions, t);
        break;
    }
    return conditions;
}

} // namespace

ByteForest make_byte_forest(const Trees& trees) {
    ByteForest out;
    const index_t n_trees = trees.n_trees();
    out.trees.assign(place(n_trees), ByteTree{Pass::walk, 0, 0, 0});
    index_t largest = 1;
    for (index_t t = 0; t < n_trees; ++t) {
        if (!suits_bytes(trees, t)) continue;
        out.trees[place(t)].pass = Pass::program;
        largest = std::max(largest, trees.size_of(t));
    }
    out.leaf_stride = largest < 2 * few_leaves ? few_leaves : most_byte_leaves;
    out.leaf_value.resize(place(n_trees * out.leaf_stride));
    out.origin.resize(place(n_trees * out.leaf_stride));
    for (index_t first = 0; first < n_trees; first = out.groups.back().last_tree) {
        ByteGroup group{first, first, 0, {}, {}};
        const Conditions conditions = take_trees(trees, out, group);
        GroupBuilder(trees, out, group, conditions.cuts).build();
        out.groups.push_back(std::move(group));
    }
    const auto walks = [](const ByteTree& tree) { return tree.pass == Pass::walk; };
    out.has_walks = std::any_of(out.trees.begin(), out.trees.end(), walks);
    return out;
}

} // namespace fastnotes::boosting
