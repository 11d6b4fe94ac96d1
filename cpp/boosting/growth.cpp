#include "boosting/growth.hpp"

#include "boosting/growth_state.hpp"

#include <algorithm>
#include <utility>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using std::uint8_t;

/// Codes that stay near a thread while the nodes of a level are cut: about its
/// second-level cache.
constexpr index_t window_codes = index_t{1} << 19;
/// Bytes of a row up to which cache lines hold rows of several nodes.
constexpr index_t window_columns = 64;
/// Work (rows x columns) that is worth a thread.
constexpr index_t thread_grain = index_t{1} << 17;

HistogramLayout make_layout(const GrowthTable& table, const GrowthRules& rules) {
    HistogramLayout layout;
    for (index_t c = 0; c < table.bins.columns; ++c) {
        const index_t known = table.column_bins(c);
        const index_t padded = round_up(known, bins_step);
        const auto i = static_cast<std::size_t>(c);
        const std::int8_t monotone =
            rules.monotone.empty() ? std::int8_t{0} : rules.monotone[i];
        layout.columns.push_back(
            {known, padded, layout.size, table.categorical(c) != 0, monotone});
        layout.size += 2 * padded;
    }
    return layout;
}

bool check_codes(const GrowthTable& table, int n_threads) noexcept {
    const index_t n_columns = table.bins.columns;
    std::atomic<bool> in_range{true};
    parallel_region(n_threads, [&](const Team& team) {
        const auto [first, last] = team.share(table.bins.rows);
        bool good = true;
        for (index_t r = first; r < last; ++r) {
            const uint8_t* const codes = table.bins.row(r);
            int bad = 0;
            for (index_t c = 0; c < n_columns; ++c) {
                bad |= static_cast<int>(codes[c] >= table.column_bins.data[c]) &
                       static_cast<int>(codes[c] != table.missing_code);
            }
            good &= bad == 0;
        }
        if (!good) in_range = false;
    });
    return in_range;
}

} // namespace

TreeGrower::TreeGrower(const GrowthTable& table, GrowthRules rules, int n_threads)
    : state_(std::make_unique<State>(table, std::move(rules), n_threads)),
      n_threads_(n_threads) {}
TreeGrower::~TreeGrower() = default;
TreeGrower::TreeGrower(TreeGrower&&) noexcept = default;
TreeGrower& TreeGrower::operator=(TreeGrower&&) noexcept = default;
bool TreeGrower::codes_in_range() const noexcept { return state_->codes_in_range(); }
bool TreeGrower::reads_bins() const noexcept { return state_->reads_bins(); }
GrowthStatus TreeGrower::grow(const GrowthInput& input, GrownNodes& tree,
                              View1<int32_t> leaf_of_row) {
    return state_->grow(input, tree, leaf_of_row, most_histogram_bytes);
}

TreeGrower::State::State(const GrowthTable& table, GrowthRules rules, int n_threads)
    : State(table, std::move(rules), n_threads,
            std::make_shared<const BundledTable>(table, n_threads)) {
    codes_in_range_ = check_codes(table, n_threads_);
}

TreeGrower::State::State(const GrowthTable& table, GrowthRules rules, int n_threads,
                         std::shared_ptr<const BundledTable> bundled)
    : GrowingTree(std::move(rules), table.bins.rows,
                  worthwhile_threads(table.bins.size(), thread_grain, n_threads),
                  table.counts),
      table_(table), n_lists_(n_threads_), kept_(std::move(bundled)), bundled_(*kept_),
      layout_(make_layout(table, rules_)),
      window_rows_(bundled_.codes().columns > window_columns
                       ? all_rows
                       : window_codes / bundled_.codes().columns * n_lists_) {
    source_ = {bundled_.codes(), &bundled_,           &layout_,
               &tiles_,          table_.missing_code, table.counts.data};
    // Outliers add records, fewer than there are rows.
    const bool may_overflow = source_.most_rows(2 * table.bins.rows) > most_packed_rows;
    for (int t = 0; t < n_threads_; ++t) {
        workers_.push_back(
            {AlignedBuffer<int64_t>(bundled_.codes().columns * column_slots),
             AlignedBuffer<double>(may_overflow ? bundled_.wide_size() : 0),
             AlignedBuffer<double>(layout_.size),
             {},
             {}});
        Worker& worker = workers_.back();
        worker.sums = RowSums(worker.packed.data(), worker.wide.data());
    }
}

GrowthStatus TreeGrower::State::grow(const GrowthInput& input, GrownNodes& tree,
                                     View1<int32_t> leaf_of_row, index_t most_bytes) {
    const GrowthStatus status = read_input(input);
    if (status != GrowthStatus::ok) return status;
    list_outliers(input);
    ColumnChooser chooser(rules_, list_columns(input, table_.bins.columns), input.seed,
                          input.tree_index);
    chooser_ = &chooser;
    bundles_.clear();
    for (const int32_t c : chooser.of_tree()) {
        bundles_.push_back(static_cast<int32_t>(bundled_.bundle_of(c)));
    }
    std::sort(bundles_.begin(), bundles_.end());
    bundles_.erase(std::unique(bundles_.begin(), bundles_.end()), bundles_.end());
    tiles_ = make_tiles(bundles_);
    input_ = &input;
    pool_.reset(layout_.size, most_bytes);
    nodes_.clear();
    segments_.clear();
    plant_root();

    GrowthOrder order(rules_, n_threads_ > 1);
    for (auto batch = order.next(nodes_); !batch.empty(); batch = order.next(nodes_)) {
        expand(batch);
    }
    finish_tree(input, order, tree, leaf_of_row);
    return GrowthStatus::ok;
}

} // namespace fastnotes::boosting
