#include "boosting/growth_tree.hpp"

#include "common/parallel.hpp"

#include <atomic>
#include <cmath>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;

constexpr index_t row_grain = index_t{1} << 15; ///< rows that are worth a thread

/// 2^exponent such that |largest| 2^exponent is in [2^(bits-1), 2^bits).
double power_scale(bits_of<float> largest_bits, int bits) noexcept {
    float largest;
    std::memcpy(&largest, &largest_bits, sizeof largest);
    int exponent = 0;
    (void)std::frexp(static_cast<double>(largest), &exponent);
    return std::ldexp(1.0, bits - exponent);
}

float as_float(double value) noexcept {
    constexpr double most = std::numeric_limits<float>::max();
    return static_cast<float>(std::clamp(value, -most, most));
}

int64_t exact_integer(float value, double scale) noexcept {
    return std::llrint(static_cast<double>(value) * scale);
}

} // namespace

ColumnChooser::List list_columns(const GrowthInput& input, index_t n_columns) {
    ColumnChooser::List columns;
    for (index_t c = 0; c < n_columns; ++c) {
        if (input.columns.data == nullptr || input.columns(c) != 0) {
            columns.push_back(static_cast<int32_t>(c));
        }
    }
    return columns;
}

GrowthStatus GrowingTree::read_input(const GrowthInput& input) {
    const View1<const int32_t> rows = input.rows;
    n_used_ = rows.data == nullptr ? n_rows_ : rows.size;
    std::vector<LargestBits<float>> largest(static_cast<std::size_t>(n_threads_));
    std::atomic<bool> rows_good{true};
    parallel_region(n_threads_, [&](const Team& team) {
        const auto [first, last] = team.share(n_rows_);
        const index_t half = (last - first + 1) / 2; // the halves may share a row
        raise_largest(input.grad.data, input.hess.data, first, last - half, half,
                      largest[static_cast<std::size_t>(team.index)]);
        if (rows.data == nullptr) return;
        const auto [from, to] = team.share(rows.size);
        bool good = true;
        for (index_t i = from; i < to; ++i) {
            good &= rows.data[i] < n_rows_ &&
                    rows.data[i] > (i > 0 ? rows.data[i - 1] : -1);
        }
        if (!good) rows_good = false;
    });
    if (!rows_good) return GrowthStatus::bad_row;
    LargestBits<float> most;
    for (const auto& one : largest) {
        most.grad = std::max(most.grad, one.grad);
        most.hess = std::max(most.hess, one.hess);
    }
    const auto infinity = magnitude_bits(std::numeric_limits<float>::infinity());
    if (most.grad >= infinity) return GrowthStatus::gradient_not_finite;
    if (most.hess >= infinity) return GrowthStatus::hessian_not_finite;
    units_ = {1.0 / power_scale(most.grad, quantized_bits),
              1.0 / power_scale(most.hess, quantized_bits)};
    // n values below 2^bits add up to less than 2^62.
    int exponent = 0;
    (void)std::frexp(static_cast<double>(n_rows_), &exponent);
    const int bits = std::min(62 - exponent, 50);
    exact_scale_g_ = power_scale(most.grad, bits);
    exact_scale_h_ = power_scale(most.hess, bits);
    return GrowthStatus::ok;
}

bool GrowingTree::may_be_cut(const GrowthNode& node) const noexcept {
    const double H = node.frame.total.H * units_.hess;
    return (rules_.max_depth == 0 || node.depth < rules_.max_depth) && node.rows != 0 &&
           node.rows != 1 && H >= 2 * rules_.split.min_child_weight &&
           H + rules_.split.reg_lambda > 0.0;
}

void GrowingTree::add_children(index_t parent) {
    const index_t left = static_cast<index_t>(nodes_.size());
    nodes_.resize(nodes_.size() + 2);
    GrowthNode& node = at(parent);
    node.left = left;
    const NodeCut& cut = node.cut;
    const Sums total = node.frame.total;
    const Sums sums[2] = {cut.left, {total.G - cut.left.G, total.H - cut.left.H}};
    NodeFrame frames[2] = {node.frame, node.frame};
    const int monotone = rules_.monotone.empty()
                             ? 0
                             : rules_.monotone[static_cast<std::size_t>(cut.column)];
    if (monotone != 0) {
        double weights[2];
        for (int side = 0; side < 2; ++side) {
            weights[side] =
                clipped_weight({sums[side].G * units_.grad, sums[side].H * units_.hess},
                               rules_, node.frame.lower, node.frame.upper);
        }
        const double middle = 0.5 * (weights[0] + weights[1]);
        frames[monotone > 0 ? 0 : 1].upper = middle;
        frames[monotone > 0 ? 1 : 0].lower = middle;
    }
    for (int side = 0; side < 2; ++side) {
        GrowthNode& child = at(left + side);
        child.parent = parent;
        child.depth = node.depth + 1;
        child.path = 2 * node.path + static_cast<std::uint64_t>(side);
        child.frame = frames[side];
        child.frame.total = sums[side];
        if (!rules_.interactions.empty()) {
            child.cut_columns = node.cut_columns;
            const auto c = static_cast<int32_t>(cut.column);
            const auto place =
                std::lower_bound(child.cut_columns.begin(), child.cut_columns.end(), c);
            if (place == child.cut_columns.end() || *place != c) {
                child.cut_columns.insert(place, c);
            }
        }
        if (may_be_cut(child)) {
            child.columns =
                &chooser_->of_node(child.depth, child.path, child.cut_columns);
        }
    }
}

void GrowingTree::number_nodes(const GrowthOrder& order, GrownNodes& tree) {
    const std::size_t n_nodes = 2 * order.accepted().size() + 1;
    tree.column.assign(n_nodes, -1);
    tree.bin.assign(n_nodes, -1);
    tree.left.assign(n_nodes, -1);
    tree.right.assign(n_nodes, -1);
    tree.default_left.assign(n_nodes, 0);
    tree.is_categorical.assign(n_nodes, 0);
    tree.value.assign(n_nodes, 0.0f);
    tree.gain.assign(n_nodes, 0.0f);
    tree.cover.assign(n_nodes, 0.0f);
    tree.left_codes.assign(n_nodes, CodeSet{});
    number_.assign(nodes_.size(), -1);
    number_[0] = 0;
    int32_t next = 1;
    for (const index_t accepted : order.accepted()) {
        const GrowthNode& node = at(accepted);
        const auto number = number_[static_cast<std::size_t>(accepted)];
        const auto i = static_cast<std::size_t>(number);
        number_[static_cast<std::size_t>(node.left)] = next;
        number_[static_cast<std::size_t>(node.left + 1)] = next + 1;
        tree.column[i] = static_cast<int32_t>(node.cut.column);
        tree.bin[i] = static_cast<int32_t>(node.cut.bin);
        tree.left[i] = next;
        tree.right[i] = next + 1;
        tree.default_left[i] = node.cut.default_left ? 1 : 0;
        tree.is_categorical[i] = node.cut.categorical ? 1 : 0;
        tree.gain[i] = as_float(node.cut.gain);
        // A numeric cut may have kept those of a categorical one that it beat.
        if (node.cut.categorical) tree.left_codes[i] = node.cut.left_codes;
        next += 2;
    }
    for (std::size_t i = 1; i < nodes_.size(); ++i) {
        if (number_[i] < 0)
            number_[i] = number_[static_cast<std::size_t>(nodes_[i].parent)];
    }
}

void GrowingTree::sum_leaves(const GrowthInput& input, const int32_t* leaf_of_row,
                             std::vector<Totals>& totals) const {
    const auto n_nodes = static_cast<index_t>(totals.size());
    const int threads = worthwhile_threads(n_used_, row_grain, n_threads_);
    std::vector<Totals> sums(static_cast<std::size_t>(threads * n_nodes));
    parallel_region(threads, [&](const Team& team) {
        Totals* const own = sums.data() + team.index * n_nodes;
        const auto [first, last] = team.share(n_used_);
        for (index_t i = first; i < last; ++i) {
            const index_t row = input.rows.data == nullptr ? i : input.rows.data[i];
            Totals& leaf = own[leaf_of_row[row]];
            leaf.G += exact_integer(input.grad.data[row], exact_scale_g_);
            leaf.H += exact_integer(input.hess.data[row], exact_scale_h_);
        }
    });
    for (std::size_t i = 0; i < sums.size(); ++i) {
        Totals& total = totals[i % totals.size()];
        total.G += sums[i].G;
        total.H += sums[i].H;
    }
}

void GrowingTree::set_values(const std::vector<Totals>& totals,
                             GrownNodes& tree) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        const GrowthNode& node = nodes_[i];
        const bool counts =
            node.parent < 0 ||
            number_[i] != number_[static_cast<std::size_t>(node.parent)];
        if (!counts) continue;
        const auto number = static_cast<std::size_t>(number_[i]);
        const Sums sums{static_cast<double>(totals[number].G) / exact_scale_g_,
                        static_cast<double>(totals[number].H) / exact_scale_h_};
        tree.value[number] =
            as_float(rules_.learning_rate *
                     clipped_weight(sums, rules_, node.frame.lower, node.frame.upper));
        tree.cover[number] = as_float(sums.H);
    }
}

void GrowingTree::weigh_nodes(const GrowthInput& input, const int32_t* leaf_of_row,
                              GrownNodes& tree) {
    std::vector<Totals> totals(tree.column.size());
    sum_leaves(input, leaf_of_row, totals);
    for (std::size_t k = totals.size(); k-- > 0;) {
        if (tree.left[k] < 0) continue;
        for (const int32_t child : {tree.left[k], tree.right[k]}) {
            totals[k].G += totals[static_cast<std::size_t>(child)].G;
            totals[k].H += totals[static_cast<std::size_t>(child)].H;
        }
    }
    set_values(totals, tree);
}

} // namespace fastnotes::boosting
