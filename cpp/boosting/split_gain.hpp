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

struct GainVector {
    Reals gain;
    typename Reals::mask_type admissible;
};

/// The Gain of splitting `total`, by the sums on the left.
class Gain {
  public:
    Gain(Sums total, const SplitRules& rules) noexcept
        : lambda_(rules.reg_lambda), alpha_(rules.reg_alpha), gamma_(rules.gamma),
          least_(rules.min_child_weight), parent_(score(total, rules)), G_(total.G),
          H_(total.H) {}

    FASTNOTES_INLINE GainVector operator()(SumsVector left) const {
        const Reals G_right = G_ - left.G, H_right = H_ - left.H;
        const Reals lighter = select(left.H < H_right, left.H, H_right);
        const Reals both = score(left.G, left.H, lambda_, alpha_) +
                           score(G_right, H_right, lambda_, alpha_);
        return {Reals(0.5) * (both - parent_) - gamma_,
                (lighter >= least_) & (lighter + lambda_ > Reals(0.0))};
    }

  private:
    Reals lambda_, alpha_, gamma_, least_, parent_, G_, H_;
};

/// A cut between places of a column, the left of which end at `place`; -1: none.
struct Candidate {
    double gain = 0.0;
    index_t place = -1;

    bool beats(const Candidate& other) const noexcept {
        return gain > other.gain || (gain == other.gain && place < other.place);
    }
};

/// The best of places [0, n): per lane, then over lanes. sums_left(p) are those of the
/// places from p on, one a lane; what it gives beyond n is ignored.
template <class SumsLeft, class GainOf>
FASTNOTES_INLINE Candidate best_place(index_t n, SumsLeft sums_left, GainOf gain_of) {
    Reals best_gain(0.0), best_at(-1.0);
    Reals place = simd::convert<double>(simd::iota<simd::Vec<std::int64_t>>());
    for (index_t p = 0; p < n; p += Reals::size, place += Reals(Reals::size)) {
        const GainVector found = gain_of(sums_left(p));
        const auto better = (found.gain > best_gain) & found.admissible &
                            (place < Reals(static_cast<double>(n)));
        best_gain = select(better, found.gain, best_gain);
        best_at = select(better, place, best_at);
    }
    Candidate best;
    for (int i = 0; i < Reals::size; ++i) {
        const Candidate lane{best_gain[i], static_cast<index_t>(best_at[i])};
        if (lane.place >= 0 && lane.beats(best)) best = lane;
    }
    return best;
}

} // namespace fastnotes::boosting
