#include "boosting/growth_state.hpp"

#include <algorithm>
#include <iterator>

namespace fastnotes::boosting {
namespace {

using std::int32_t;

/// Work (rows x columns) below which threads do not share a node.
constexpr index_t shared_grain = index_t{1} << 15;
/// Work that is worth a thread where it does not share nodes.
constexpr index_t alone_grain = index_t{1} << 12;
/// Nodes of equal size that share cache lines and windows with profit.
constexpr index_t sharing_nodes = 64;
/// Parts of sums that may wait for a window.
constexpr index_t most_window_parts = 256;
/// Bundles that a thread takes at a time where nodes are shared.
constexpr index_t chunk_bundles = 4;

View1<const int32_t> view(const ColumnChooser::List& list) noexcept {
    return {list.data(), static_cast<index_t>(list.size())};
}

template <class T> void subtract(T* from, const T* what, index_t n) noexcept {
    using Values = simd::Vec<T>;
    for (index_t i = 0; i < n; i += Values::size) {
        simd::store(from + i,
                    simd::load<Values>(from + i) - simd::load<Values>(what + i));
    }
}

void raise(NodeCut& best, const NodeCut& other) noexcept {
    if (beats(other, best)) best = other;
}

} // namespace

void TreeGrower::State::reserve_parts(index_t n_parts, index_t most_rows) {
    const index_t packed = source_.bins.columns * column_slots;
    const bool may_overflow = source_.most_rows(most_rows) > most_packed_rows;
    const index_t wide = may_overflow ? bundled_.wide_size() : 0;
    if (part_packed_.size() < n_parts * packed) {
        part_packed_ = AlignedBuffer<std::int64_t>(n_parts * packed);
    }
    if (part_wide_.size() < n_parts * wide) {
        part_wide_ = AlignedBuffer<double>(n_parts * wide);
    }
    parts_.clear();
    for (index_t p = 0; p < n_parts; ++p) {
        parts_.emplace_back(part_packed_.data() + p * packed,
                            wide > 0 ? part_wide_.data() + p * wide : nullptr);
    }
}

bool TreeGrower::State::may_use(const GrowthNode& node, int32_t column) const noexcept {
    const ColumnChooser::List* const own = node.columns;
    if (own == nullptr) return false;
    return own->size() == layout_.columns.size() ||
           std::binary_search(own->begin(), own->end(), column);
}

void TreeGrower::State::search_summed(const Summed& sums, index_t first, index_t last,
                                      Cuts& cuts) noexcept {
    const GrowthNode& lighter = at(sums.lighter);
    const GrowthNode* const heavier = sums.heavier < 0 ? nullptr : &at(sums.heavier);
    const bool narrow = source_.most_rows(sums.n_rows) <= most_packed_rows;
    const SumsWidth width = packs_   ? SumsWidth::narrow_tree
                            : narrow ? SumsWidth::narrow
                                     : SumsWidth::wide;
    const auto search = [&](const GrowthNode& node, int32_t c, double* histogram,
                            NodeCut& best) {
        if (!may_use(node, c)) return;
        const GrowthColumn& about = column(c);
        if (packs_) {
            const PackedColumnSums of{packed_sums(histogram, about), about.known,
                                      nullptr};
            search_column(c, about, of, node.frame, rules_, scales_.units, best);
            return;
        }
        const double* const G = histogram + about.offset;
        const ColumnSums of{G, G + about.padded, about.known, nullptr};
        search_column(c, about, of, node.frame, rules_, scales_.units, best);
    };
    for (index_t i = first; i < last; ++i) {
        const int32_t bundle = bundles_[static_cast<std::size_t>(i)];
        accumulate_bundle(sums.parts, bundle, source_, width, sums.lighter_histogram);
        for (const BundleMember& member :
             bundled_.bundles()[static_cast<std::size_t>(bundle)].members) {
            const GrowthColumn& about = column(member.column);
            search(lighter, member.column, sums.lighter_histogram, cuts.lighter);
            if (heavier == nullptr) continue;
            if (packs_) {
                subtract(packed_sums(sums.heavier_histogram, about),
                         packed_sums(sums.lighter_histogram, about), about.padded);
            } else {
                subtract(sums.heavier_histogram + about.offset,
                         sums.lighter_histogram + about.offset, 2 * about.padded);
            }
            search(*heavier, member.column, sums.heavier_histogram, cuts.heavier);
        }
    }
}

void TreeGrower::State::keep(const Summed& sums, const Cuts& cuts) noexcept {
    raise(at(sums.lighter).cut, cuts.lighter);
    if (sums.heavier >= 0) raise(at(sums.heavier).cut, cuts.heavier);
}

void TreeGrower::State::search_root() {
    const auto n_bundles = static_cast<index_t>(bundles_.size());
    GrowthNode& root = at(0);
    const bool has_histogram = root.rows > most_direct_rows;
    reserve_parts(has_histogram ? n_lists_ : 0, root.rows);
    root.columns = &chooser_->of_node(0, root.path, root.cut_columns);
    if (has_histogram) root.histogram = pool_.take(true);
    const index_t n_chunks = has_histogram ? ceil_div(n_bundles, chunk_bundles) : 0;
    std::vector<QuantisedTotals> totals(static_cast<std::size_t>(n_lists_));
    std::vector<Cuts> cuts(static_cast<std::size_t>(n_chunks));
    std::atomic<index_t> next{0};
    const auto sum_totals = [&] {
        for (const QuantisedTotals& total : totals) {
            root.frame.total.G += static_cast<double>(total.G);
            root.frame.total.H += static_cast<double>(total.H);
        }
        if (!may_be_cut(root)) root.columns = nullptr;
    };
    parallel_region(n_threads_, [&](const Team& team) {
        for (int t = team.index; t < n_lists_; t += team.size) {
            RowSums* const part =
                has_histogram ? &parts_[static_cast<std::size_t>(t)] : nullptr;
            if (part != nullptr) part->clear(source_);
            totals[static_cast<std::size_t>(t)] = list_rows(t, part);
        }
        team.barrier();
        if (team.index == 0) sum_totals();
        team.barrier();
        if (root.columns == nullptr) return;
        for (index_t k = next++; k < n_chunks; k = next++) {
            const Summed sums{{parts_.data(), n_lists_},  root.rows, 0,
                              pool_.data(root.histogram), -1,        nullptr};
            search_summed(sums, k * chunk_bundles,
                          std::min((k + 1) * chunk_bundles, n_bundles),
                          cuts[static_cast<std::size_t>(k)]);
        }
    });
    if (!has_histogram) search_direct(0, workers_[0]);
    for (const Cuts& found : cuts) raise(root.cut, found.lighter);
}

Expansion::Kind TreeGrower::State::kind_of(const GrowthNode& node) const noexcept {
    const auto left = static_cast<std::size_t>(node.left);
    if (nodes_[left].columns == nullptr && nodes_[left + 1].columns == nullptr) {
        return Expansion::Kind::leaves;
    }
    if (node.rows <= most_direct_rows) return Expansion::Kind::direct;
    return node.histogram == HistogramPool::none ? Expansion::Kind::rebuild
                                                 : Expansion::Kind::subtract;
}

/// Decides how each node is cut, and who does it.
void TreeGrower::State::plan(std::vector<Expansion>& expansions) {
    index_t to_cut = 0;
    for (Expansion& e : expansions) {
        const GrowthNode& node = at(e.node);
        e.kind = kind_of(node);
        e.goes_left = make_code_table(node.cut, source_);
        e.lighter_left = 2 * node.cut.left.H <= node.frame.total.H;
        if (e.kind != Expansion::Kind::leaves) to_cut += node.rows;
    }
    const auto n_bundles = static_cast<index_t>(bundles_.size());
    const index_t sharers = 2 * std::min(n_threads_, 8);
    const bool windowed = window_rows_ < n_rows_;
    index_t n_parts = 0, most_rows = 0;
    for (Expansion& e : expansions) {
        if (e.kind != Expansion::Kind::subtract) continue;
        const index_t rows = at(e.node).rows;
        const bool too_long = n_threads_ > 1 && rows * sharers > to_cut;
        const bool shares_lines =
            windowed && rows * sharing_nodes > n_used_ && n_parts < most_window_parts;
        e.shared = (too_long || shares_lines) && rows * n_bundles > shared_grain;
        e.lighter_histogram = pool_.take(e.shared);
        if (!e.shared) continue;
        e.first_part = n_parts;
        n_parts += n_lists_;
        most_rows = std::max(most_rows, rows);
    }
    reserve_parts(n_parts, most_rows);
    std::stable_sort(expansions.begin(), expansions.end(),
                     [&](const Expansion& a, const Expansion& b) {
                         return at(a.node).rows > at(b.node).rows;
                     });
}

RecordReader TreeGrower::State::reader_of(index_t node, int list) noexcept {
    const GrowthNode& about = at(node);
    const bool backward = about.parent >= 0 && node != at(about.parent).left;
    return {buffer_of(about.depth), segments_of(node)[list], backward};
}

SegmentRouter TreeGrower::State::router_of(index_t node, int list) noexcept {
    return {reader_of(node, list), segments_of(node)[list],
            buffer_of(at(node).depth + 1)};
}

Routing TreeGrower::State::routing_of(const Expansion& expansion) noexcept {
    return {bundled_.bundle_of(at(expansion.node).cut.column), &expansion.goes_left,
            expansion.lighter_left};
}

/// Parts the rows of one list, window by window: a node alone would leave most of each
/// cache line it reads to the others.
void TreeGrower::State::route_shared(const std::vector<const Expansion*>& shared,
                                     int list, SegmentRouter* routers) noexcept {
    const auto part_of = [&](const Expansion* e) {
        return &parts_[static_cast<std::size_t>(e->first_part + list)];
    };
    for (std::size_t i = 0; i < shared.size(); ++i) {
        part_of(shared[i])->clear(source_);
        routers[i] = router_of(shared[i]->node, list);
    }
    for (index_t end = 0; end < n_rows_;) {
        end = std::min(end + window_rows_, n_rows_);
        for (std::size_t i = 0; i < shared.size(); ++i) {
            routers[i].route(source_, routing_of(*shared[i]), end, part_of(shared[i]));
        }
    }
    for (std::size_t i = 0; i < shared.size(); ++i) {
        const index_t left = at(shared[i]->node).left;
        segments_of(left)[list] = routers[i].left();
        segments_of(left + 1)[list] = routers[i].right();
    }
}

void TreeGrower::State::count_rows(const Expansion& expansion) noexcept {
    const index_t left = at(expansion.node).left;
    for (index_t child = left; child <= left + 1; ++child) {
        index_t n = 0;
        for (int t = 0; t < n_lists_; ++t) n += segments_of(child)[t].n;
        at(child).rows = n;
    }
}

void TreeGrower::State::search_direct(index_t number, Worker& worker) noexcept {
    GrowthNode& node = at(number);
    if (node.columns == nullptr || node.rows < 2) return;
    search_rows(source_, {segments_of(number), n_lists_}, buffer_of(node.depth),
                view(*node.columns), node.frame, rules_, scales_.units, worker.direct,
                node.cut);
}

TreeGrower::State::Summed TreeGrower::State::summed(const Expansion& expansion,
                                                    View1<const RowSums> parts,
                                                    Worker& worker) noexcept {
    const GrowthNode& node = at(expansion.node);
    const index_t lighter = node.left + (expansion.lighter_left ? 0 : 1);
    const index_t heavier = node.left + (expansion.lighter_left ? 1 : 0);
    const bool kept = expansion.lighter_histogram != HistogramPool::none;
    return {parts,
            at(lighter).rows,
            lighter,
            kept ? pool_.data(expansion.lighter_histogram) : worker.histogram.data(),
            at(heavier).columns == nullptr ? -1 : heavier,
            pool_.data(node.histogram)};
}

/// Cuts a node on one thread.
void TreeGrower::State::run(const Expansion& expansion, Worker& worker) noexcept {
    const index_t left = at(expansion.node).left;
    const auto n_bundles = static_cast<index_t>(bundles_.size());
    const View1<const RowSums> parts{&worker.sums, 1};
    const bool sums_now = expansion.kind == Expansion::Kind::subtract;
    if (sums_now) worker.sums.clear(source_);
    for (int t = 0; t < n_lists_; ++t) {
        SegmentRouter router = router_of(expansion.node, t);
        router.route(source_, routing_of(expansion), all_rows,
                     sums_now ? &worker.sums : nullptr);
        segments_of(left)[t] = router.left();
        segments_of(left + 1)[t] = router.right();
    }
    count_rows(expansion);
    Cuts cuts;
    if (sums_now) {
        const Summed sums = summed(expansion, parts, worker);
        search_summed(sums, 0, n_bundles, cuts);
        return keep(sums, cuts);
    }
    for (index_t child = left; child <= left + 1; ++child) {
        const GrowthNode& node = at(child);
        if (node.columns == nullptr) continue;
        if (node.rows <= most_direct_rows) {
            search_direct(child, worker);
            continue;
        }
        worker.sums.clear(source_);
        for (int t = 0; t < n_lists_; ++t) {
            const Segment segment = segments_of(child)[t];
            worker.sums.add(source_, buffer_of(node.depth) + segment.first, segment.n,
                            segment.n);
        }
        const Summed sums{parts, node.rows, child, worker.histogram.data(),
                          -1,    nullptr};
        cuts = {};
        search_summed(sums, 0, n_bundles, cuts);
        keep(sums, cuts);
    }
}

/// Passes histograms on to the children that may need them.
void TreeGrower::State::finish(const Expansion& expansion) {
    GrowthNode& node = at(expansion.node);
    const index_t lighter = node.left + (expansion.lighter_left ? 0 : 1);
    const index_t heavier = node.left + (expansion.lighter_left ? 1 : 0);
    at(lighter).histogram = expansion.lighter_histogram;
    if (at(heavier).columns != nullptr) {
        at(heavier).histogram = node.histogram;
    } else {
        pool_.give(node.histogram);
    }
    node.histogram = HistogramPool::none;
    for (index_t child = node.left; child <= node.left + 1; ++child) {
        GrowthNode& about = at(child);
        if (about.can_be_cut() && about.rows > most_direct_rows) continue;
        pool_.give(about.histogram);
        about.histogram = HistogramPool::none;
    }
}

void TreeGrower::State::expand(const std::vector<index_t>& batch) {
    std::vector<Expansion> expansions(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
        expansions[i].node = batch[i];
        add_children(batch[i]);
    }
    segments_.resize(nodes_.size() * static_cast<std::size_t>(n_lists_));
    plan(expansions);
    std::vector<const Expansion*> shared, alone;
    for (const Expansion& e : expansions) {
        if (e.kind == Expansion::Kind::leaves) continue;
        (e.shared ? shared : alone).push_back(&e);
    }
    const auto n_bundles = static_cast<index_t>(bundles_.size());
    const index_t n_chunks = ceil_div(n_bundles, chunk_bundles);
    const auto n_shared = static_cast<index_t>(shared.size());
    const auto n_alone = static_cast<index_t>(alone.size());
    std::vector<Cuts> cuts(static_cast<std::size_t>(n_shared * n_chunks));
    std::vector<SegmentRouter> routers(static_cast<std::size_t>(n_shared * n_lists_));
    std::atomic<index_t> next_alone{0}, next_chunk{0};
    const auto parts_of = [&](const Expansion& e) {
        return parts_.data() + e.first_part;
    };
    index_t work = 0;
    for (const Expansion* const e : alone) work += at(e->node).rows * n_bundles;
    const int threads =
        n_shared > 0 ? n_threads_ : worthwhile_threads(work, alone_grain, n_threads_);
    parallel_region(threads, [&](const Team& team) {
        Worker& worker = workers_[static_cast<std::size_t>(team.index)];
        for (int t = team.index; n_shared > 0 && t < n_lists_; t += team.size) {
            route_shared(shared, t, routers.data() + t * n_shared);
        }
        for (index_t i = next_alone++; i < n_alone; i = next_alone++) {
            run(*alone[static_cast<std::size_t>(i)], worker);
        }
        if (n_shared == 0) return;
        team.barrier();
        if (team.index == 0) {
            for (const Expansion* const e : shared) count_rows(*e);
        }
        team.barrier();
        for (index_t i = next_chunk++; i < n_shared * n_chunks; i = next_chunk++) {
            const Expansion& e = *shared[static_cast<std::size_t>(i / n_chunks)];
            const index_t first = i % n_chunks * chunk_bundles;
            search_summed(summed(e, {parts_of(e), n_lists_}, worker), first,
                          std::min(first + chunk_bundles, n_bundles),
                          cuts[static_cast<std::size_t>(i)]);
        }
    });
    for (index_t i = 0; i < n_shared * n_chunks; ++i) {
        const Expansion& e = *shared[static_cast<std::size_t>(i / n_chunks)];
        keep(summed(e, {parts_of(e), n_lists_}, workers_[0]),
             cuts[static_cast<std::size_t>(i)]);
    }
    for (const Expansion& e : expansions) finish(e);
}

} // namespace fastnotes::boosting
