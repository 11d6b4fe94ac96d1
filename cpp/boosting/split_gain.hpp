/// The gain of many cuts at once, and the best of them.
#pragma once

#include "boosting/splitting.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace fastnotes::boosting {

using Reals = simd::Vec<double>;

/// Gradient and hessian sums of some rows.
struct Sums {
    double G, H;
};

/// Quantised halves of packed sums as float64.
struct UnpackedSums {
    Reals G, H;
};

FASTNOTES_INLINE UnpackedSums unpack(simd::Vec<std::int64_t> both) {
    using Packed = simd::Vec<std::int64_t>;
    // A negative low half has borrowed one from the high half: round instead of cut.
    const Packed half(std::int64_t{1} << 31), low_mask(0xFFFFFFFF);
    const Packed shifted =
        simd::bit_cast<std::int64_t>(simd::bit_cast<std::uint64_t>(both + half) >> 32);
    const auto widened = [&](Packed bits) { return (bits ^ half) - half; };
    return {simd::int_to_real(widened(shifted)),
            simd::int_to_real(widened(both & low_mask))};
}

/// T(G)^2 / (H + lambda), for vectors.
FASTNOTES_INLINE Reals score(Reals G, Reals H, Reals reg_lambda, Reals reg_alpha) {
    const Reals reduced = simd::abs(G) - reg_alpha;
    const Reals shrunk = select(reduced > Reals(0.0), reduced, Reals(0.0));
    return shrunk * shrunk / (H + reg_lambda);
}

inline double score(Sums sums, const SplitRules& rules) noexcept {
    const double shrunk = std::max(std::abs(sums.G) - rules.reg_alpha, 0.0);
    return shrunk * shrunk / (sums.H + rules.reg_lambda);
}

struct SumsVector {
    Reals G, H;
};

using CutMask = typename Reals::mask_type;

/// Units of sums that are kept as integers: powers of two, so that scaling is exact.
struct Units {
    double grad = 1.0, hess = 1.0;

    FASTNOTES_INLINE SumsVector operator()(SumsVector sums) const {
        return {sums.G * Reals(grad), sums.H * Reals(hess)};
    }
};

/// The Gain of splitting `total`, by the sums on the left.
class Gain {
  public:
    Gain(Sums total, const SplitRules& rules, const Units& units = {}) noexcept
        : lambda_(rules.reg_lambda), alpha_(rules.reg_alpha), gamma_(rules.gamma),
          least_(rules.min_child_weight), parent_(score(total, rules)), G_(total.G),
          H_(total.H), per_bar_(units.hess / (units.grad * units.grad)),
          kept_alpha_(rules.reg_alpha / units.grad),
          kept_lambda_(rules.reg_lambda / units.hess), kept_G_(total.G / units.grad),
          kept_H_(total.H / units.hess), has_alpha_(rules.reg_alpha > 0.0) {}

    FASTNOTES_INLINE Reals operator()(SumsVector left) const {
        const Reals both = score(left.G, left.H, lambda_, alpha_) +
                           score(G_ - left.G, H_ - left.H, lambda_, alpha_);
        return Reals(0.5) * (both - parent_) - gamma_;
    }

    FASTNOTES_INLINE CutMask admissible(SumsVector left) const {
        const Reals H_right = H_ - left.H;
        const Reals lighter = select(left.H < H_right, left.H, H_right);
        return (lighter >= least_) & (lighter + lambda_ > Reals(0.0));
    }

    /// What both scores must add up to for a larger gain, less some roundings; in
    /// units.
    FASTNOTES_INLINE Reals bar_of(double gain) const {
        return (Reals(2.0) * (Reals(gain) + gamma_) + parent_) * per_bar_ *
               Reals(1.0 - 1e-12);
    }

    /// False only where a cut gains less or is not admissible; sums in units. There is
    /// no division in it.
    FASTNOTES_INLINE CutMask may_exceed(SumsVector left, Reals bar) const {
        Reals G_left = left.G, G_right = kept_G_ - left.G;
        if (has_alpha_) {
            const auto shrink = [&](Reals G) {
                const Reals reduced = simd::abs(G) - kept_alpha_;
                return select(reduced > Reals(0.0), reduced, Reals(0.0));
            };
            G_left = shrink(G_left);
            G_right = shrink(G_right);
        }
        const Reals H_left = left.H + kept_lambda_;
        const Reals H_right = kept_H_ - left.H + kept_lambda_;
        const Reals both = G_left * G_left * H_right + G_right * G_right * H_left;
        return both > bar * (H_left * H_right);
    }

    /// Whether the scores of integers below 2^31 are within the range of float32.
    bool fits_float() const noexcept {
        const double lambda = kept_lambda_[0];
        return !has_alpha_ && lambda < 1e12 && (lambda == 0.0 || lambda > 1e-12);
    }
    /// The least H of a side, an integer, of admissible cuts.
    std::int32_t least_units(const Units& units) const noexcept {
        const double least = std::ceil(least_[0] / units.hess);
        const double positive = lambda_[0] > 0.0 ? 0.0 : 1.0;
        return static_cast<std::int32_t>(
            std::min(std::max(least, positive), 2147483647.0));
    }
    double lambda_units() const noexcept { return kept_lambda_[0]; }

  private:
    Reals lambda_, alpha_, gamma_, least_, parent_, G_, H_;
    Reals per_bar_, kept_alpha_, kept_lambda_, kept_G_, kept_H_; ///< in units
    bool has_alpha_;
};

/// A cut between places of a column, the left of which end at `place`; -1: none.
struct Candidate {
    double gain = 0.0;
    index_t place = -1;

    bool beats(const Candidate& other) const noexcept {
        return gain > other.gain || (gain == other.gain && place < other.place);
    }
};

/// Rules no place out.
struct NoFilter {
    static constexpr index_t places = Reals::size;
    bool may_exceed(index_t) const noexcept { return true; }
};

/// The best of places [0, n) that gains more than `floor`. sums_left(p) are those of
/// the places from p on, one a lane, in units; what it gives beyond n is ignored.
/// filter.may_exceed(p) is false only where none of Filter::places from p on is the
/// best.
template <class SumsLeft, class GainOf, class Filter = NoFilter>
FASTNOTES_INLINE Candidate best_place(index_t n, SumsLeft sums_left,
                                      const GainOf& gain_of, const Units& units = {},
                                      double floor = 0.0, const Filter& filter = {}) {
    Candidate best{floor, -1};
    Reals bar = gain_of.bar_of(floor);
    const auto look = [&](index_t p) {
        const SumsVector kept = sums_left(p);
        const auto possible = gain_of.may_exceed(kept, bar);
        if (!simd::any(possible)) return;
        const SumsVector left = units(kept);
        const Reals gain = gain_of(left);
        const auto better = possible & gain_of.admissible(left) &
                            (gain > Reals(best.gain)) &
                            simd::first_lanes<Reals>(static_cast<std::size_t>(n - p));
        const std::uint32_t bits = simd::mask_bits(better);
        if (bits == 0) return;
        for (int i = 0; i < Reals::size; ++i) {
            if ((bits >> i & 1) != 0 && gain[i] > best.gain) best = {gain[i], p + i};
        }
        bar = gain_of.bar_of(best.gain);
    };
    for (index_t first = 0; first < n; first += Filter::places) {
        if (!filter.may_exceed(first)) continue;
        const index_t last = std::min(first + Filter::places, n);
        for (index_t p = first; p < last; p += Reals::size) look(p);
    }
    return best.place < 0 ? Candidate{} : best;
}

} // namespace fastnotes::boosting
