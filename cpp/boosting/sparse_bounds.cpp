#include "boosting/sparse_bounds.hpp"

#include "boosting/growth_histograms.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace fastnotes::boosting {
namespace {

using std::int32_t;
using std::int64_t;
using std::uint8_t;
using Packed = simd::Vec<int64_t>;
using Floats = simd::Vec<float>;
using Ints = simd::Vec<int32_t>;

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

constexpr index_t prefetch_entries = 48;
/// Sums that are swept at the price of an entry that is sorted and looked at.
constexpr index_t sums_per_entry = 24;

bool is_wide(const CodeColumn& column) noexcept {
    return column.n_entries > most_packed_rows;
}

/// Sums of two vectors of nodes.
struct PackedSums {
    Packed low, high;

    PackedSums& operator+=(PackedSums other) {
        low += other.low;
        high += other.high;
        return *this;
    }
};
struct WideSums {
    Reals G, H;

    WideSums& operator+=(WideSums other) {
        G += other.G;
        H += other.H;
        return *this;
    }
};

} // namespace

NodeLanes::NodeLanes(index_t n_nodes, double reg_lambda, double reg_alpha,
                     double min_child_weight, const Units& units)
    : n(n_nodes), padded(round_up(n_nodes, group)), lambda(reg_lambda / units.hess),
      alpha(reg_alpha / units.grad), least(min_child_weight / units.hess),
      G(static_cast<std::size_t>(padded)), H(G.size()), fits_float(lambda < 0x1p32),
      is_narrow(static_cast<std::size_t>(padded / group), 1) {}

void NodeLanes::set(index_t slot, const Sums& total, index_t n_rows) noexcept {
    const auto i = static_cast<std::size_t>(slot);
    G[i] = total.G;
    H[i] = total.H;
    if (n_rows > most_packed_rows) is_narrow[i / group] = 0;
}

/// One column.
template <bool Shrinks> class ColumnBounds::Sweep {
  public:
    Sweep(ColumnBounds& scratch, const CodeColumn& column, const RowTerm* terms,
          const NodeLanes& nodes) noexcept
        : scratch_(scratch), column_(column), terms_(terms), nodes_(nodes),
          padded_(nodes.padded), stride_(nodes.n), sums_(scratch.sums_.data()),
          best_(scratch.best_.data()), narrow_bound_(nodes), wide_bound_(nodes),
          below_(column.absent_is_known ? column.absent : column.known),
          above_(column.absent_is_known ? column.absent + 1 : 0) {}

    void run() noexcept {
        if (column_.n_entries * sums_per_entry < column_.known * padded_) {
            return sweep_entries();
        }
        add_entries();
        for (index_t lane = 0; lane < nodes_.n; lane += group) {
            if (is_wide(column_)) {
                sweep_wide(lane, [&](index_t l) { return wide_sums(l); });
            } else if (nodes_.fits_float) {
                sweep_floats(lane);
            } else {
                sweep_wide(lane, [&](index_t l) {
                    const UnpackedSums sums = unpack(simd::load<Packed>(sums_ + l));
                    return WideSums{sums.G, sums.H};
                });
            }
        }
        clear();
    }

  private:
    /// Adds the column to the sums of its codes and the nodes.
    void add_entries() noexcept {
        for (index_t first = 0; first < column_.n_entries; first += most_packed_rows) {
            add_block(first, std::min(first + most_packed_rows, column_.n_entries));
            if (is_wide(column_)) flush();
        }
    }
    void add_block(index_t first, index_t last) noexcept {
        const int32_t* const rows = column_.rows;
        const uint8_t* const codes = column_.codes;
        const RowTerm* const terms = terms_;
        int64_t* const sums = sums_;
        const index_t stride = stride_;
        for (index_t i = first; i < last; ++i) {
            simd::prefetch(terms + rows[std::min(i + prefetch_entries, last - 1)]);
            const RowTerm term = terms[rows[i]];
            sums[codes[i] * stride + term.slot] += term.value();
        }
    }
    /// f(first, last) of the sums in use: of known codes, and of missing.
    template <class F> void for_used_sums(F f) noexcept {
        f(index_t{0}, column_.known * stride_);
        f(column_.missing * stride_, (column_.missing + 1) * stride_);
    }
    void flush() noexcept {
        double* const G = scratch_.wide_.data();
        double* const H = G + n_wide();
        for_used_sums([&](index_t first, index_t last) {
            for (index_t i = first; i < last; ++i) {
                const auto low = static_cast<int32_t>(sums_[i]);
                G[i] += static_cast<double>((sums_[i] - low) >> 32);
                H[i] += static_cast<double>(low);
            }
            std::fill(sums_ + first, sums_ + last, int64_t{0});
        });
    }
    void clear() noexcept {
        double* const G = scratch_.wide_.data();
        double* const H = G + n_wide();
        for_used_sums([&](index_t first, index_t last) {
            if (is_wide(column_)) {
                std::fill(G + first, G + last, 0.0);
                std::fill(H + first, H + last, 0.0);
            } else {
                std::fill(sums_ + first, sums_ + last, int64_t{0});
            }
        });
    }

    /// The largest bound of a group. sums_of(code) are what its rows add up to.
    template <bool HasMissing, class Sums, class Best, class SumsOf, class BoundOf>
    FASTNOTES_INLINE Best sweep(Sums zero, Best best, SumsOf sums_of, BoundOf bound) {
        Sums missing = zero;
        if constexpr (HasMissing) {
            missing = sums_of(column_.missing);
            best = simd::max(best, bound(missing));
        }
        const auto look = [&](Sums far) {
            best = simd::max(best, bound(far));
            if constexpr (HasMissing) best = simd::max(best, bound(far += missing));
        };
        Sums far = zero;
        for (index_t code = 0; code < below_; ++code) look(far += sums_of(code));
        far = zero;
        for (index_t code = column_.known; code-- > above_;) look(far += sums_of(code));
        return best;
    }
    /// Lanes of the two vectors of a group in turn: their 64-bit lanes come apart
    /// without being moved.
    static index_t slot_of(index_t lane) noexcept {
        return lane / 2 + lane % 2 * Packed::size;
    }
    void sweep_floats(index_t lane) noexcept {
        float best[group];
        if (nodes_.is_narrow[static_cast<std::size_t>(lane / group)] != 0) {
            simd::store(best, sweep_narrow(lane));
        } else {
            simd::store(best, sweep_rounded(lane));
        }
        for (index_t i = 0; i < group; ++i) best_[lane + slot_of(i)] = best[i];
    }
    /// Totals of a group, in the order of lanes.
    template <class T> std::array<simd::Vec<T>, 2> totals(index_t lane) const noexcept {
        T G[group], H[group];
        for (index_t i = 0; i < group; ++i) {
            const auto s = static_cast<std::size_t>(lane + slot_of(i));
            G[i] = static_cast<T>(nodes_.G[s]);
            H[i] = static_cast<T>(nodes_.H[s]);
        }
        return {simd::load<simd::Vec<T>>(G), simd::load<simd::Vec<T>>(H)};
    }
    /// Where sums are below 2^31: the other side is exact before it is rounded.
    Floats sweep_narrow(index_t lane) noexcept {
        const auto [G, H] = totals<int32_t>(lane);
        return sweep_group(lane, [&, G = G, H = H](Ints far_G, Ints far_H) {
            return narrow_bound_(
                simd::convert<float>(far_G), simd::convert<float>(far_H),
                simd::convert<float>(G - far_G), simd::convert<float>(H - far_H));
        });
    }
    /// Where they are not: the other side is rounded, which may cost too much precision
    /// where it holds less than a quarter of the weight. No bound is known there.
    Floats sweep_rounded(index_t lane) noexcept {
        const auto [G, H] = totals<float>(lane);
        const Floats least = Floats(0.25f) * (H + Floats(narrow_bound_.lambda));
        const Floats unknown(std::numeric_limits<float>::infinity());
        return sweep_group(lane, [&, G = G, H = H](Ints far_G, Ints far_H) {
            const Floats own_G = simd::convert<float>(far_G);
            const Floats own_H = simd::convert<float>(far_H);
            const Floats other_H = H - own_H;
            const Floats bound = narrow_bound_(own_G, own_H, G - own_G, other_H);
            return select(other_H + narrow_bound_.lambda < least, unknown, bound);
        });
    }
    template <class BoundOf>
    FASTNOTES_INLINE Floats sweep_group(index_t lane, const BoundOf& bound_of) {
        const auto sums_of = [&](index_t code) {
            const int64_t* const sums = sums_ + code * stride_ + lane;
            return PackedSums{simd::load<Packed>(sums),
                              simd::load<Packed>(sums + Packed::size)};
        };
        // Hessians are not negative, and borrow nothing from the gradients above them.
        const Packed low_mask(0xFFFFFFFF), high_mask(~int64_t{0xFFFFFFFF});
        const auto bound = [&](PackedSums far) {
            const auto shifted = simd::bit_cast<std::uint64_t>(far.low) >> 32;
            const Packed H = (far.low & low_mask) | (far.high << 32);
            const Packed G = simd::bit_cast<int64_t>(shifted) | (far.high & high_mask);
            return bound_of(simd::bit_cast<int32_t>(G), simd::bit_cast<int32_t>(H));
        };
        const PackedSums zero{Packed(int64_t{0}), Packed(int64_t{0})};
        const Floats none(-1.0f);
        return column_.has_missing ? sweep<true>(zero, none, sums_of, bound)
                                   : sweep<false>(zero, none, sums_of, bound);
    }

    /// sums_at(place) are those at a place of [codes, lanes].
    template <class SumsAt> void sweep_wide(index_t first, SumsAt sums_at) noexcept {
        for (index_t lane = first; lane < std::min(first + group, nodes_.n);
             lane += Reals::size) {
            const auto total_G = simd::load<Reals>(nodes_.G.data() + lane);
            const auto total_H = simd::load<Reals>(nodes_.H.data() + lane);
            const auto sums_of = [&](index_t code) {
                return sums_at(code * stride_ + lane);
            };
            const auto bound = [&](WideSums far) {
                return wide_bound_(far.G, far.H, total_G - far.G, total_H - far.H);
            };
            const WideSums zero{Reals(0.0), Reals(0.0)};
            const Reals none(-1.0);
            const Reals best = column_.has_missing
                                   ? sweep<true>(zero, none, sums_of, bound)
                                   : sweep<false>(zero, none, sums_of, bound);
            for (int i = 0; i < Reals::size; ++i) {
                best_[lane + i] = static_cast<float>(best[i]);
            }
        }
    }
    index_t n_wide() const noexcept {
        return static_cast<index_t>(scratch_.wide_.size()) / 2;
    }
    FASTNOTES_INLINE WideSums wide_sums(index_t place) const {
        const double* const G = scratch_.wide_.data() + place;
        return {simd::load<Reals>(G), simd::load<Reals>(G + n_wide())};
    }

    /// Looks at the nodes of a code's entries alone: nothing changed at the others.
    void sweep_entries() noexcept {
        index_t last[code_slots];
        sort_entries(last);
        int64_t* const missing = scratch_.missing_.data();
        std::fill_n(best_, padded_, -1.0f);
        std::fill_n(missing, padded_, int64_t{0});
        const auto visit = [&](index_t code, int64_t* running) {
            const RowTerm* const end = scratch_.sorted_.data() + last[code];
            const RowTerm* const begin =
                scratch_.sorted_.data() + (code > 0 ? last[code - 1] : 0);
            for (const RowTerm* t = begin; t < end; ++t) running[t->slot] += t->value();
            for (const RowTerm* t = begin; t < end; ++t) {
                look_at(t->slot, running[t->slot]);
                if (running == missing || !column_.has_missing) continue;
                look_at(t->slot, running[t->slot] + missing[t->slot]);
            }
        };
        if (column_.has_missing) visit(column_.missing, missing);
        int64_t* const running = scratch_.running_.data();
        std::fill_n(running, padded_, int64_t{0});
        for (index_t code = 0; code < below_; ++code) visit(code, running);
        std::fill_n(running, padded_, int64_t{0});
        for (index_t code = column_.known; code-- > above_;) visit(code, running);
    }
    /// last[code] = the end of its terms in sorted_.
    void sort_entries(index_t* last) noexcept {
        index_t counts[code_slots] = {};
        for (index_t i = 0; i < column_.n_entries; ++i) ++counts[column_.codes[i]];
        index_t at = 0;
        for (index_t code = 0; code < code_slots; ++code) {
            last[code] = at; // its begin, until its terms come
            at += counts[code];
        }
        for (index_t i = 0; i < column_.n_entries; ++i) {
            const auto place = static_cast<std::size_t>(last[column_.codes[i]]++);
            scratch_.sorted_[place] = terms_[column_.rows[i]];
        }
    }
    void look_at(int32_t slot, int64_t far) noexcept {
        const auto s = static_cast<std::size_t>(slot);
        const auto G = static_cast<double>(far >> 32);
        const auto H = static_cast<double>(static_cast<int32_t>(far));
        const Reals bound = wide_bound_(Reals(G), Reals(H), Reals(nodes_.G[s] - G),
                                        Reals(nodes_.H[s] - H));
        best_[slot] = std::max(best_[slot], static_cast<float>(bound[0]));
    }

    ColumnBounds& scratch_;
    const CodeColumn& column_;
    const RowTerm* const terms_;
    const NodeLanes& nodes_;
    const index_t padded_;
    const index_t stride_; ///< of codes: lanes beyond n see sums of other codes
    int64_t* const sums_;
    float* const best_;
    const Bound<Floats, Shrinks> narrow_bound_;
    const Bound<Reals, Shrinks> wide_bound_;
    const index_t below_, above_;
};

void ColumnBounds::prepare(const NodeLanes& nodes, index_t most_entries) {
    const auto lanes = static_cast<std::size_t>(nodes.padded);
    const auto grow = [](auto& buffer, std::size_t size) {
        if (buffer.size() < size) buffer.resize(size);
    };
    const std::size_t n_sums = (code_slots + 1) * lanes; // lanes beyond n are read
    grow(sums_, n_sums);
    if (most_entries > most_packed_rows) grow(wide_, 2 * n_sums);
    grow(sorted_, code_slots * lanes / sums_per_entry);
    grow(running_, lanes);
    grow(missing_, lanes);
    grow(best_, lanes);
}

void ColumnBounds::find(const CodeColumn& column, const RowTerm* terms,
                        const NodeLanes& nodes, float* out, index_t stride) noexcept {
    if (nodes.alpha > 0.0) {
        Sweep<true>(*this, column, terms, nodes).run();
    } else {
        Sweep<false>(*this, column, terms, nodes).run();
    }
    for (index_t s = 0; s < nodes.n; ++s) {
        out[s * stride] = best_[static_cast<std::size_t>(s)];
    }
}

} // namespace fastnotes::boosting
