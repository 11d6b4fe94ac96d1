#include "boosting/growth_state.hpp"

#include <algorithm>
#include <atomic>
#include <exception>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::uint32_t;
using std::uint8_t;

/// Bytes of a table's codes and records up to which its trees grow side by side: all
/// that a thread reads stays near it.
constexpr index_t most_side_bytes = index_t{1} << 23;
/// Work (bytes of codes read) of a round that is worth a thread.
constexpr index_t side_grain = index_t{1} << 12;

} // namespace

GrowthInput RoundInput::tree(index_t k) const noexcept {
    View1<const uint8_t> used;
    if (columns.data != nullptr) used = {columns.row(k), columns.columns};
    return {{grad.row(k), grad.columns},
            {hess.row(k), hess.columns},
            rows,
            used,
            seed,
            first_tree_index + static_cast<uint32_t>(k)};
}

std::unique_ptr<TreeGrower::State> TreeGrower::State::single() const {
    return std::make_unique<State>(table_, rules_, 1, kept_);
}

TreeGrower::State& TreeGrower::single(int thread) {
    if (thread == 0 && state_->n_threads() == 1) return *state_;
    std::unique_ptr<State>& state = singles_[static_cast<std::size_t>(thread)];
    if (state == nullptr) state = state_->single();
    return *state;
}

/// Threads take the first n_trees trees by turns. Of what is wrong with them, the first
/// is told: those before it were taken before it.
GrowthStatus TreeGrower::grow_side_by_side(const RoundInput& round, index_t n_trees,
                                           int threads, std::vector<GrownNodes>& trees,
                                           View2<int32_t> leaf_of_row) {
    singles_.resize(static_cast<std::size_t>(n_threads_));
    std::vector<GrowthStatus> status(trees.size(), GrowthStatus::ok);
    std::vector<std::exception_ptr> errors(singles_.size());
    std::atomic<index_t> next{0};
    parallel_region(threads, [&](const Team& team) {
        try {
            State& state = single(team.index);
            for (index_t k = next++; k < n_trees; k = next++) {
                const auto i = static_cast<std::size_t>(k);
                status[i] = state.grow(round.tree(k), trees[i],
                                       {leaf_of_row.row(k), leaf_of_row.columns},
                                       most_histogram_bytes / threads);
                if (status[i] != GrowthStatus::ok) next = n_trees;
            }
        } catch (...) {
            errors[static_cast<std::size_t>(team.index)] = std::current_exception();
            next = n_trees;
        }
    });
    for (const std::exception_ptr& error : errors) {
        if (error != nullptr) std::rethrow_exception(error);
    }
    const auto wrong = std::find_if(status.begin(), status.end(), [](GrowthStatus one) {
        return one != GrowthStatus::ok;
    });
    return wrong == status.end() ? GrowthStatus::ok : *wrong;
}

GrowthStatus TreeGrower::grow_round(const RoundInput& round,
                                    std::vector<GrownNodes>& trees,
                                    View2<int32_t> leaf_of_row) {
    const index_t n_trees = round.grad.rows;
    const View2<const uint8_t> codes = state_->codes();
    const index_t bytes =
        codes.rows * (codes.columns + 2 * static_cast<index_t>(sizeof(RowRecord)));
    const int threads =
        worthwhile_threads(n_trees * codes.size(), side_grain, n_threads_);
    index_t n_side = bytes <= most_side_bytes && threads > 1 ? n_trees : 0;
    // A last turn that would leave threads idle is theirs together, where they can.
    const index_t rest = n_side % threads;
    if (2 * rest <= state_->n_threads()) n_side -= rest;

    trees.resize(static_cast<std::size_t>(n_trees));
    auto status = GrowthStatus::ok;
    if (n_side > 0) {
        const auto takers = static_cast<int>(std::min<index_t>(threads, n_side));
        status = grow_side_by_side(round, n_side, takers, trees, leaf_of_row);
    }
    for (index_t k = n_side; k < n_trees && status == GrowthStatus::ok; ++k) {
        status = state_->grow(round.tree(k), trees[static_cast<std::size_t>(k)],
                              {leaf_of_row.row(k), leaf_of_row.columns},
                              most_histogram_bytes);
    }
    return status;
}

} // namespace fastnotes::boosting
