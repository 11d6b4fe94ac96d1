#include "boosting/sparse_growth_state.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;

/// Bounds of a batch: nodes beyond are looked at in a batch of their own.
constexpr index_t most_bounds = index_t{1} << 24;
constexpr index_t chunk_columns = 4;
constexpr float searched = -1.0f; ///< in place of a bound

} // namespace

void SparseTreeGrower::State::search(const std::vector<index_t>& nodes) {
    const auto n_columns = static_cast<index_t>(chooser_->of_tree().size());
    const index_t most =
        std::clamp(most_bounds / n_columns, NodeLanes::group, ColumnBounds::most_slots);
    const auto n_nodes = static_cast<index_t>(nodes.size());
    for (index_t first = 0; first < n_nodes; first += most) {
        const index_t last = std::min(first + most, n_nodes);
        open_batch(nodes.data() + first, nodes.data() + last);
        find_bounds();
        std::vector<index_t> open(batch_.size());
        for (std::size_t s = 0; s < open.size(); ++s) open[s] = static_cast<index_t>(s);
        std::vector<Search> searches;
        for (index_t most_new = 1; !open.empty(); most_new *= 2) {
            searches.clear();
            std::vector<index_t> still_open;
            for (const index_t slot : open) {
                const std::size_t before = searches.size();
                nominate(slot, most_new, searches);
                if (searches.size() > before) still_open.push_back(slot);
            }
            search_all(searches);
            open = still_open;
        }
    }
}

/// Gives nodes their slots, and rows those of their nodes.
void SparseTreeGrower::State::open_batch(const index_t* first, const index_t* last) {
    batch_.assign(first, last);
    const auto n = static_cast<index_t>(batch_.size());
    NodeLanes lanes(n, rules_.split.reg_lambda, rules_.split.reg_alpha,
                    rules_.split.min_child_weight, scales_.units);
    std::vector<int32_t> slots(nodes_.size(), -1);
    std::vector<std::uint8_t> used(columns_.size(), 0);
    const ColumnChooser::List* previous = nullptr;
    for (index_t s = 0; s < n; ++s) {
        const index_t number = batch_[static_cast<std::size_t>(s)];
        const GrowthNode& node = at(number);
        lanes.set(s, node.frame.total, node.rows);
        slots[static_cast<std::size_t>(number)] = static_cast<int32_t>(s);
        if (node.columns == previous) continue;
        previous = node.columns;
        for (const int32_t c : *node.columns) used[static_cast<std::size_t>(c)] = 1;
    }
    for (Worker& worker : workers_) worker.bounds.prepare(lanes, most_entries_);
    lanes_.assign(1, std::move(lanes));
    batch_columns_.clear();
    for (std::size_t c = 0; c < used.size(); ++c) {
        if (used[c] != 0) batch_columns_.push_back(static_cast<int32_t>(c));
    }
    RowTerm* const terms = terms_.data();
    const int32_t* const node_of_row = node_of_row_.data();
    const std::int16_t* const grad = grad_.data();
    const std::int16_t* const hess = hess_.data();
    parallel_region(n_threads_, [&](const Team& team) {
        const auto [from, to] = team.share(n_rows_);
        for (index_t r = from; r < to; ++r) {
            const int32_t slot = slots[static_cast<std::size_t>(node_of_row[r])];
            terms[r] = slot < 0 ? RowTerm{0, 0, 0} : RowTerm{slot, hess[r], grad[r]};
        }
    });
}

void SparseTreeGrower::State::find_bounds() {
    const auto n_columns = static_cast<index_t>(batch_columns_.size());
    const auto n_nodes = static_cast<index_t>(batch_.size());
    if (bounds_.size() < n_nodes * n_columns) {
        bounds_ = AlignedBuffer<float>(n_nodes * n_columns);
    }
    parallel_blocks(
        ceil_div(n_columns, chunk_columns), n_threads_, [&](index_t chunk, int thread) {
            ColumnBounds& scratch = workers_[static_cast<std::size_t>(thread)].bounds;
            const index_t last = std::min((chunk + 1) * chunk_columns, n_columns);
            for (index_t i = chunk * chunk_columns; i < last; ++i) {
                const index_t c = batch_columns_[static_cast<std::size_t>(i)];
                float* const out = bounds_.data() + i;
                if (has_bounds_ && !column(c).categorical) {
                    scratch.find(column(c), terms_.data(), lanes_[0], out, n_columns);
                    continue;
                }
                for (index_t s = 0; s < n_nodes; ++s) {
                    out[s * n_columns] = std::numeric_limits<float>::infinity();
                }
            }
        });
    for (index_t s = 0; s < n_nodes; ++s) {
        const auto& allowed = *at(batch_[static_cast<std::size_t>(s)]).columns;
        if (allowed.size() == batch_columns_.size()) continue;
        auto next = allowed.begin();
        float* const bounds = bounds_.data() + s * n_columns;
        for (index_t i = 0; i < n_columns; ++i) {
            if (next != allowed.end() &&
                *next == batch_columns_[static_cast<std::size_t>(i)]) {
                ++next;
            } else {
                bounds[i] = searched;
            }
        }
    }
}

/// What a bound must reach for its column to win, or to tie.
double SparseTreeGrower::State::least_bound(const GrowthNode& node) const noexcept {
    const SplitRules& split = rules_.split;
    const Sums total{node.frame.total.G * scales_.units.grad,
                     node.frame.total.H * scales_.units.hess};
    double parent = score(total, split);
    if (!rules_.monotone.empty() || rules_.max_delta_step > 0.0) {
        const double w =
            clipped_weight(total, rules_, node.frame.lower, node.frame.upper);
        const double slope = total.G * w + split.reg_alpha * std::abs(w);
        parent = -2.0 * slope - (total.H + split.reg_lambda) * w * w -
                 ColumnBounds::slack * parent;
    }
    const double unit = scales_.units.grad * scales_.units.grad / scales_.units.hess;
    const double least = (2.0 * (node.cut.gain + split.gamma) + parent) / unit;
    return least > 0.0 ? least * (1.0 - ColumnBounds::slack) : 0.0;
}

/// Takes up to n columns, from the largest bound on, that may still win at a node.
void SparseTreeGrower::State::nominate(index_t slot, index_t n,
                                       std::vector<Search>& searches) {
    const auto n_columns = static_cast<index_t>(batch_columns_.size());
    float* const bounds = bounds_.data() + slot * n_columns;
    const double least = least_bound(at(batch_[static_cast<std::size_t>(slot)]));
    for (; n > 0; --n) {
        float* const best = std::max_element(bounds, bounds + n_columns);
        if (*best < 0.0f || static_cast<double>(*best) < least) return;
        const auto i = static_cast<std::size_t>(best - bounds);
        searches.push_back({batch_columns_[i], slot, {}});
        *best = searched;
    }
}

void SparseTreeGrower::State::search_all(std::vector<Search>& searches) {
    std::sort(searches.begin(), searches.end(), [](const Search& a, const Search& b) {
        return a.column < b.column || (a.column == b.column && a.slot < b.slot);
    });
    std::vector<index_t> firsts;
    const auto n = static_cast<index_t>(searches.size());
    for (index_t i = 0; i < n; ++i) {
        const Search* const search = searches.data() + i;
        if (i == 0 || search->column != search[-1].column ||
            i - firsts.back() == most_exact) {
            firsts.push_back(i);
        }
    }
    firsts.push_back(n);
    parallel_blocks(static_cast<index_t>(firsts.size()) - 1, n_threads_,
                    [&](index_t k, int thread) {
                        const index_t* const bounds = firsts.data() + k;
                        search_exactly(searches.data() + bounds[0],
                                       searches.data() + bounds[1],
                                       workers_[static_cast<std::size_t>(thread)]);
                    });
    for (const Search& search : searches) {
        NodeCut& best = at(batch_[static_cast<std::size_t>(search.slot)]).cut;
        if (beats(search.found, best)) best = search.found;
    }
}

/// Searches one column at up to most_exact nodes.
void SparseTreeGrower::State::search_exactly(Search* first, Search* last,
                                             Worker& worker) noexcept {
    const index_t c = first->column, n = last - first;
    const CodeColumn& entries = column(c);
    std::fill(worker.places.begin(), worker.places.end(),
              static_cast<int32_t>(most_exact));
    for (index_t i = 0; i < n; ++i) {
        worker.places[static_cast<std::size_t>(first[i].slot)] =
            static_cast<int32_t>(i);
    }
    sum_exactly(entries, n, worker);
    add_excesses(entries, worker);
    const index_t padded = round_up(entries.known, bins_step);
    const std::int8_t monotone = rules_.monotone.empty()
                                     ? std::int8_t{0}
                                     : rules_.monotone[static_cast<std::size_t>(c)];
    const GrowthColumn about{entries.known, padded, 0, entries.categorical, monotone};
    for (index_t i = 0; i < n; ++i) {
        const GrowthNode& node = at(batch_[static_cast<std::size_t>(first[i].slot)]);
        double* const G = worker.G.data() + i * code_slots;
        double* const H = worker.H.data() + i * code_slots;
        if (entries.absent_is_known) {
            G[entries.absent] = H[entries.absent] = 0.0;
            Sums absent = node.frame.total;
            for (index_t code = 0; code < code_slots; ++code) {
                absent.G -= G[code];
                absent.H -= H[code];
            }
            G[entries.absent] = absent.G;
            H[entries.absent] = absent.H;
        }
        for (index_t code = 1; code < entries.known; ++code) {
            G[code] += G[code - 1];
            H[code] += H[code - 1];
        }
        search_column(c, about, {G, H, entries.known, nullptr}, node.frame, rules_,
                      scales_.units, first[i].found);
    }
}

/// Sums of each code at the nodes that have a place. Rows without a slot add nothing.
void SparseTreeGrower::State::sum_exactly(const CodeColumn& column, index_t n,
                                          Worker& worker) noexcept {
    const RowTerm* const terms = terms_.data();
    const int32_t* const places = worker.places.data();
    int64_t* const sums = worker.sums.data();
    std::fill_n(worker.G.data(), n * code_slots, 0.0);
    std::fill_n(worker.H.data(), n * code_slots, 0.0);
    for (index_t first = 0; first < column.n_entries; first += most_packed_rows) {
        const index_t last = std::min(first + most_packed_rows, column.n_entries);
        for (index_t i = first; i < last; ++i) {
            const RowTerm term = terms[column.rows[i]];
            sums[places[term.slot] * code_slots + column.codes[i]] += term.value();
        }
        for (index_t i = 0; i < n * code_slots; ++i) {
            const auto H = static_cast<int32_t>(sums[i]);
            worker.G.data()[i] += static_cast<double>((sums[i] - H) >> 32);
            worker.H.data()[i] += static_cast<double>(H);
        }
        std::fill_n(sums, n * code_slots, int64_t{0});
        std::fill_n(sums + most_exact * code_slots, code_slots, int64_t{0});
    }
}

/// Adds what is beyond a row's terms. Those are not 0 where something is, except for
/// rows without a slot.
void SparseTreeGrower::State::add_excesses(const CodeColumn& column,
                                           Worker& worker) noexcept {
    const int32_t* at = column.rows;
    const int32_t* const end = column.rows + column.n_entries;
    for (const Excess& excess : excesses_) {
        at = std::lower_bound(at, end, excess.row);
        if (at == end) return;
        const RowTerm term = terms_.data()[excess.row];
        if (*at != excess.row || term.value() == 0) continue;
        const index_t place = worker.places[static_cast<std::size_t>(term.slot)];
        if (place == most_exact) continue;
        const index_t slot = place * code_slots + column.codes[at - column.rows];
        worker.G[static_cast<std::size_t>(slot)] += static_cast<double>(excess.grad);
        worker.H[static_cast<std::size_t>(slot)] += static_cast<double>(excess.hess);
    }
}

} // namespace fastnotes::boosting
