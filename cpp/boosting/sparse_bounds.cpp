#include "boosting/sparse_bounds.hpp"

#include "boosting/growth_histograms.hpp"

#include <algorithm>
#include <cmath>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using Packed = simd::Vec<int64_t>;
using Floats = simd::Vec<float>;

constexpr index_t group = NodeLanes::group;

template <class T, bool Shrinks> struct Bound {
    T lambda, alpha, least;

    explicit Bound(const NodeLanes& nodes) noexcept
        : lambda(as(nodes.lambda)), alpha(as(nodes.alpha * (1.0 - rounding))),
          least(as(std::max((nodes.least + nodes.lambda) * (1.0 - rounding), 1e-30))) {}

    FASTNOTES_INLINE T operator()(T G, T H, T G_other, T H_other) const {
        const T h = H + lambda, h_other = H_other + lambda;
        const T g2 = square(G), g2_other = square(G_other);
        const T both = (g2 * h_other + g2_other * h) / (h * h_other);
        return select(simd::min(h, h_other) >= least, both, T(as(-1.0)));
    }

  private:
    using value_type = typename T::value_type;
    static constexpr double rounding = 1e-6;
    static value_type as(double value) noexcept {
        return static_cast<value_type>(value);
    }
    FASTNOTES_INLINE T square(T G) const {
        if constexpr (!Shrinks) return G * G;
        const T reduced = simd::abs(G) * T(as(1.0 + rounding)) - alpha;
        const T shrunk = simd::max(reduced, T(as(0.0)));
        return shrunk * shrunk;
    }
};

} // namespace

NodeLanes::NodeLanes(index_t n_nodes, double reg_lambda, double reg_alpha,
                     double min_child_weight, const Units& units)
    : n(n_nodes), padded(round_up(n_nodes, group)), lambda(reg_lambda / units.hess),
      alpha(reg_alpha / units.grad), least(min_child_weight / units.hess),
      G(static_cast<std::size_t>(padded)), H(G.size()), packed(G.size()),
      is_narrow(static_cast<std::size_t>(padded / group),
                // Products of float32 sums stay in range.
                lambda < 0x1p32 ? 1 : 0) {}

void NodeLanes::set(index_t slot, const Sums& total, index_t n_rows) noexcept {
    const auto i = static_cast<std::size_t>(slot);
    G[i] = total.G;
    H[i] = total.H;
    if (n_rows <= most_packed_rows) {
        packed[i] = static_cast<int64_t>(total.G) * (int64_t{1} << 32) +
                    static_cast<int64_t>(total.H);
    } else {
        is_narrow[i / group] = 0;
    }
}

/// One column.
template <bool Shrinks> class ColumnBounds::Sweep {
  public:
    Sweep(ColumnBounds& scratch, const CodeColumns& columns, index_t c,
          const RowTerm* terms, const NodeLanes& nodes) noexcept
        : column_(columns[c]), rows_(columns.rows(column_)),
          runs_(columns.runs(column_)), terms_(terms),
          gathered_(scratch.gathered_.data()), nodes_(nodes),
          running_(scratch.running_.data()), missing_(scratch.missing_.data()),
          wide_(scratch.wide_.data()), best_(scratch.best_.data()),
          narrow_bound_(nodes), wide_bound_(nodes),
          is_wide_(column_.n_entries > most_packed_rows),
          by_entry_(column_.n_entries * group < column_.n_runs * nodes.padded),
          n_copies_(column_.n_entries * group >= 4 * column_.n_runs * nodes.padded
                        ? most_copies
                        : 1) {}

    void run() noexcept {
        std::fill_n(best_, nodes_.padded + 1, -1.0f);
        gather();
        clear();
        if (column_.has_missing) {
            add(column_.n_runs);
            look(column_.n_runs, false);
            keep_missing();
            clear();
        }
        const bool absent_is_known = column_.absent < column_.known;
        const index_t n_runs = column_.n_runs;
        index_t below = n_runs, above = 0;
        if (absent_is_known) {
            below = 0;
            while (below < n_runs && runs_[below].code < column_.absent) ++below;
            above = below;
        }
        for (index_t k = 0; k < below; ++k) visit(k);
        if (below > 0) clear();
        for (index_t k = n_runs; k-- > above;) visit(k);
    }

  private:
    /// Brings the terms of all entries together in a loop of its own, where reads that
    /// miss the caches wait for nothing else.
    void gather() noexcept {
        const index_t n = column_.n_entries;
        for (index_t i = 0; i < n; ++i) gathered_[i] = terms_[rows_[i]];
    }
    void visit(index_t k) noexcept {
        add(k);
        look(k, column_.has_missing);
    }
    index_t first_of(index_t k) const noexcept { return k > 0 ? runs_[k - 1].last : 0; }

    void clear() noexcept {
        for (index_t k = 0; k < n_copies_; ++k) {
            std::fill_n(running_ + k * stride_, nodes_.padded + 1, int64_t{0});
        }
        if (is_wide_) std::fill_n(wide_, 2 * nodes_.padded, 0.0);
    }

    /// Adds the entries of a run to the sums of their nodes.
    void add(index_t k) noexcept {
        const index_t last = runs_[k].last;
        for (index_t first = first_of(k); first < last;) {
            const index_t n = std::min(last - first, most_packed_rows);
            if (n_copies_ > 1) {
                add_in_turn(gathered_ + first, n);
            } else {
                add_in_order(gathered_ + first, n);
            }
            first += n;
            if (is_wide_) flush();
        }
    }
    void add_in_order(const RowTerm* terms, index_t n) noexcept {
        for (index_t i = 0; i < n; ++i) running_[terms[i].slot] += terms[i].value();
    }
    /// Each copy in turn: adds to one node need not wait for each other.
    void add_in_turn(const RowTerm* terms, index_t n) noexcept {
        index_t i = 0;
        for (; i + most_copies <= n; i += most_copies) {
            for (index_t k = 0; k < most_copies; ++k) {
                running_[k * stride_ + terms[i + k].slot] += terms[i + k].value();
            }
        }
        add_in_order(terms + i, n - i);
    }
    void flush() noexcept {
        double* const G = wide_;
        double* const H = wide_ + nodes_.padded;
        for (index_t l = 0; l < nodes_.padded; l += Packed::size) {
            const UnpackedSums sums = unpack(running(l));
            simd::store(G + l, simd::load<Reals>(G + l) + sums.G);
            simd::store(H + l, simd::load<Reals>(H + l) + sums.H);
        }
        for (index_t k = 0; k < n_copies_; ++k) {
            std::fill_n(running_ + k * stride_, nodes_.padded + 1, int64_t{0});
        }
    }
    FASTNOTES_INLINE Packed running(index_t lane) const {
        Packed sum = simd::load<Packed>(running_ + lane);
        for (index_t k = 1; k < n_copies_; ++k) {
            sum += simd::load<Packed>(running_ + k * stride_ + lane);
        }
        return sum;
    }
    FASTNOTES_INLINE UnpackedSums sums_at(index_t lane) const {
        if (!is_wide_) return unpack(running(lane));
        return {simd::load<Reals>(wide_ + lane),
                simd::load<Reals>(wide_ + nodes_.padded + lane)};
    }

    void keep_missing() noexcept {
        for (index_t l = 0; l < nodes_.padded; l += Packed::size) {
            if (is_wide_) {
                const UnpackedSums sums = sums_at(l);
                simd::store(missing_wide() + l, sums.G);
                simd::store(missing_wide() + nodes_.padded + l, sums.H);
            } else {
                simd::store(missing_ + l, running(l));
            }
        }
    }
    double* missing_wide() const noexcept { return wide_ + 2 * nodes_.padded; }

    /// Looks at the cut behind a run, missing apart, and also with it if `both`.
    void look(index_t k, bool both) noexcept {
        if (by_entry_) return look_at_entries(k, both);
        for (index_t g = 0; g * group < nodes_.n; ++g) {
            if (!is_wide_ && nodes_.is_narrow[static_cast<std::size_t>(g)] != 0) {
                look_narrow(g * group, both);
            } else {
                look_wide(g * group, both);
            }
        }
    }

    FASTNOTES_INLINE Floats bound_narrow(index_t lane, Packed low, Packed high) const {
        const int64_t* const total = nodes_.packed.data() + lane;
        const auto own = simd::deinterleave(simd::bit_cast<int32_t>(low),
                                            simd::bit_cast<int32_t>(high));
        const auto other = simd::deinterleave(
            simd::bit_cast<int32_t>(simd::load<Packed>(total) - low),
            simd::bit_cast<int32_t>(simd::load<Packed>(total + Packed::size) - high));
        return narrow_bound_(
            simd::convert<float>(own.odd), simd::convert<float>(own.even),
            simd::convert<float>(other.odd), simd::convert<float>(other.even));
    }
    void look_narrow(index_t lane, bool both) noexcept {
        const Packed low = running(lane), high = running(lane + Packed::size);
        Floats best =
            simd::max(simd::load<Floats>(best_ + lane), bound_narrow(lane, low, high));
        if (both) {
            const int64_t* const also = missing_ + lane;
            best = simd::max(
                best, bound_narrow(lane, low + simd::load<Packed>(also),
                                   high + simd::load<Packed>(also + Packed::size)));
        }
        simd::store(best_ + lane, best);
    }

    FASTNOTES_INLINE Reals bound_wide(index_t lane, const UnpackedSums& own) const {
        return wide_bound_(own.G, own.H,
                           simd::load<Reals>(nodes_.G.data() + lane) - own.G,
                           simd::load<Reals>(nodes_.H.data() + lane) - own.H);
    }
    void look_wide(index_t first, bool both) noexcept {
        for (index_t lane = first; lane < std::min(first + group, nodes_.n);
             lane += Reals::size) {
            const UnpackedSums own = sums_at(lane);
            Reals best = bound_wide(lane, own);
            if (both) {
                UnpackedSums also;
                if (is_wide_) {
                    also = {simd::load<Reals>(missing_wide() + lane),
                            simd::load<Reals>(missing_wide() + nodes_.padded + lane)};
                } else {
                    also = unpack(simd::load<Packed>(missing_ + lane));
                }
                best =
                    simd::max(best, bound_wide(lane, {own.G + also.G, own.H + also.H}));
            }
            for (index_t i = 0; i < Reals::size; ++i) {
                best_[lane + i] = std::max(
                    best_[lane + i], static_cast<float>(best[static_cast<int>(i)]));
            }
        }
    }

    /// Looks at the nodes of a run's entries alone: nothing changed at the others.
    void look_at_entries(index_t k, bool both) noexcept {
        for (index_t i = first_of(k); i < runs_[k].last; ++i) {
            const int32_t slot = gathered_[i].slot;
            if (slot >= nodes_.n) continue;
            look_at(slot, running_[slot]);
            if (both) look_at(slot, running_[slot] + missing_[slot]);
        }
    }
    void look_at(int32_t slot, int64_t own) noexcept {
        const auto s = static_cast<std::size_t>(slot);
        const auto G = static_cast<double>(own >> 32);
        const auto H = static_cast<double>(static_cast<int32_t>(own));
        const Reals bound = wide_bound_(Reals(G), Reals(H), Reals(nodes_.G[s] - G),
                                        Reals(nodes_.H[s] - H));
        best_[slot] = std::max(best_[slot], static_cast<float>(bound[0]));
    }

    const CodeColumn& column_;
    const int32_t* const rows_;
    const CodeRun* const runs_;
    const RowTerm* const terms_;
    RowTerm* const gathered_;
    const NodeLanes& nodes_;
    int64_t* const running_;
    int64_t* const missing_;
    double* const wide_;
    float* const best_;
    const Bound<Floats, Shrinks> narrow_bound_;
    const Bound<Reals, Shrinks> wide_bound_;
    const bool is_wide_, by_entry_;
    const index_t n_copies_;
};

ColumnBounds::ColumnBounds(index_t most_entries)
    : gathered_(most_entries), running_(most_copies * stride_), missing_(stride_),
      wide_(4 * stride_), best_(stride_) {}

void ColumnBounds::find(const CodeColumns& columns, index_t c, const RowTerm* rows,
                        const NodeLanes& nodes, float* out, index_t stride) noexcept {
    if (nodes.alpha > 0.0) {
        Sweep<true>(*this, columns, c, rows, nodes).run();
    } else {
        Sweep<false>(*this, columns, c, rows, nodes).run();
    }
    for (index_t s = 0; s < nodes.n; ++s) out[s * stride] = best_.data()[s];
}

} // namespace fastnotes::boosting
