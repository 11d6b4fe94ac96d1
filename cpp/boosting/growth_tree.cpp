#include "boosting/growth_tree.hpp"

#include "common/parallel.hpp"

#include <atomic>
#include <cmath>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;

constexpr index_t sum_step = 256;               ///< rows whose integers stay at hand
constexpr index_t row_grain = index_t{1} << 15; ///< rows that are worth a thread

float as_float(double value) noexcept {
    constexpr auto most = static_cast<double>(std::numeric_limits<float>::max());
    return static_cast<float>(std::clamp(value, -most, most));
}

/// The integers nearest to grad[i] and hess[i] times their scales, |product| <= 2^51.
void exact_integers(const float* grad, const float* hess, index_t n,
                    const GrowthScales& scales, int64_t* out) noexcept {
    const double of_grad = scales.exact_grad, of_hess = scales.exact_hess;
    const auto integer = [](float value, double scale) {
        return static_cast<int64_t>(integer_bits(static_cast<double>(value) * scale) -
                                    magic_bits);
    };
    for (index_t i = 0; i < n; ++i) {
        out[2 * i] = integer(grad[i], of_grad);
        out[2 * i + 1] = integer(hess[i], of_hess);
    }
}

/// Whether they ascend, from 0 to n_rows - 1.
bool are_rows(View1<const int32_t> rows, index_t n_rows, int n_threads) noexcept {
    std::atomic<bool> good{true};
    parallel_region(n_threads, [&](const Team& team) {
        const auto [first, last] = team.share(rows.size);
        bool own = true;
        for (index_t i = first; i < last; ++i) {
            own &= rows(i) < n_rows && rows(i) > (i > 0 ? rows(i - 1) : -1);
        }
        if (!own) good = false;
    });
    return good;
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
    if (rows.data != nullptr && !are_rows(rows, n_rows_, n_threads_)) {
        return GrowthStatus::bad_row;
    }
    return find_scales(input.grad, input.hess, counts_, n_threads_, scales_);
}

std::vector<GrowingTree::Excess>
GrowingTree::list_excesses(const GrowthInput& input) const {
    std::vector<Excess> excesses;
    if (!scales_.has_outliers) return excesses;
    const Quantiser& quantiser = scales_.quantiser;
    for (index_t i = 0; i < n_used_; ++i) {
        const index_t row = input.row(i);
        const int64_t grad = quantise(input.grad.data[row], quantiser.grad);
        const int64_t hess = quantise(input.hess.data[row], quantiser.hess);
        const Excess excess{static_cast<int32_t>(row), grad - fitting_part(grad),
                            hess - fitting_part(hess)};
        if (excess.grad != 0 || excess.hess != 0) excesses.push_back(excess);
    }
    return excesses;
}

bool GrowingTree::may_be_cut(const GrowthNode& node) const noexcept {
    const double H = node.frame.total.H * scales_.units.hess;
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
            weights[side] = clipped_weight(
                {sums[side].G * scales_.units.grad, sums[side].H * scales_.units.hess},
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
    const bool listed = input.rows.data != nullptr;
    // Rows that follow each other add to different places: they need not wait.
    std::vector<Totals> sums(static_cast<std::size_t>(2 * threads * n_nodes));
    parallel_region(threads, [&](const Team& team) {
        Totals* const own = sums.data() + 2 * team.index * n_nodes;
        const auto [first, last] = team.share(n_used_);
        for (index_t at = first; at < last; at += sum_step) {
            const index_t n = std::min(sum_step, last - at);
            float grad[sum_step], hess[sum_step];
            int64_t integers[2 * sum_step];
            const int32_t* const rows = listed ? input.rows.data + at : nullptr;
            for (index_t i = 0; listed && i < n; ++i) {
                grad[i] = input.grad.data[rows[i]];
                hess[i] = input.hess.data[rows[i]];
            }
            exact_integers(listed ? grad : input.grad.data + at,
                           listed ? hess : input.hess.data + at, n, scales_, integers);
            for (index_t i = 0; counts_.data != nullptr && i < n; ++i) {
                const int64_t count = counts_(listed ? rows[i] : at + i);
                integers[2 * i] *= count;
                integers[2 * i + 1] *= count;
            }
            for (index_t i = 0; i < n; ++i) {
                const index_t leaf_number = leaf_of_row[listed ? rows[i] : at + i];
                Totals& leaf = own[i % 2 * n_nodes + leaf_number];
                leaf.G += integers[2 * i];
                leaf.H += integers[2 * i + 1];
            }
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
        const Sums sums{static_cast<double>(totals[number].G) / scales_.exact_grad,
                        static_cast<double>(totals[number].H) / scales_.exact_hess};
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
