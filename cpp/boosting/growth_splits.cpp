#include "boosting/growth_splits.hpp"

#include <algorithm>
#include <cmath>

namespace fastnotes::boosting {
namespace {

using std::int64_t;
using std::uint8_t;

constexpr index_t most_places = code_slots;

/// -T(G) / (H + lambda), cut to +-step and to [lower, upper], for vectors.
struct ClippedWeight {
    Reals lambda, alpha, lower, upper;

    ClippedWeight(const GrowthRules& rules, double lowest, double highest) noexcept
        : lambda(rules.split.reg_lambda), alpha(rules.split.reg_alpha), lower(lowest),
          upper(highest) {}

    FASTNOTES_INLINE Reals operator()(SumsVector sums) const {
        const Reals reduced = simd::abs(sums.G) - alpha;
        const Reals shrunk = select(reduced > Reals(0.0), reduced, Reals(0.0));
        const Reals free =
            simd::copysign(shrunk / (sums.H + lambda), Reals(0.0) - sums.G);
        const Reals raised = select(free < lower, lower, free);
        return select(raised > upper, upper, raised);
    }
    FASTNOTES_INLINE Reals score(SumsVector sums, Reals w) const {
        const Reals slope = sums.G * w + alpha * simd::abs(w);
        return Reals(-2.0) * slope - (sums.H + lambda) * w * w;
    }
};

double within_step(const GrowthRules& rules, double bound) noexcept {
    const double step = rules.max_delta_step;
    return step > 0.0 ? std::clamp(bound, -step, step) : bound;
}

/// The Gain where weights are clipped, of cuts with weights in the order of `sign`.
class ClippedGain {
  public:
    ClippedGain(Sums total, const GrowthRules& rules, const NodeFrame& frame,
                int sign) noexcept
        : weight_(rules, within_step(rules, frame.lower),
                  within_step(rules, frame.upper)),
          gamma_(rules.split.gamma), least_(rules.split.min_child_weight), sign_(sign),
          total_{Reals(total.G), Reals(total.H)},
          parent_(weight_.score(total_, weight_(total_))) {}

    FASTNOTES_INLINE Reals operator()(SumsVector left) const {
        const SumsVector right = right_of(left);
        const Reals both =
            weight_.score(left, weight_(left)) + weight_.score(right, weight_(right));
        return Reals(0.5) * (both - parent_) - gamma_;
    }

    FASTNOTES_INLINE CutMask admissible(SumsVector left) const {
        const SumsVector right = right_of(left);
        const Reals lighter = select(left.H < right.H, left.H, right.H);
        return (lighter >= least_) & (lighter + weight_.lambda > Reals(0.0)) &
               (sign_ * (weight_(right) - weight_(left)) >= Reals(0.0));
    }

    FASTNOTES_INLINE Reals bar_of(double) const { return Reals(0.0); }
    FASTNOTES_INLINE CutMask may_exceed(SumsVector left, Reals) const {
        return left.H == left.H; // all that are numbers
    }
    bool fits_float() const noexcept { return false; }
    std::int32_t least_units(const Units&) const noexcept { return 0; }
    double lambda_units() const noexcept { return 0.0; }

  private:
    FASTNOTES_INLINE SumsVector right_of(SumsVector left) const {
        return {total_.G - left.G, total_.H - left.H};
    }

    ClippedWeight weight_;
    Reals gamma_, least_, sign_;
    SumsVector total_;
    Reals parent_;
};

struct Choice {
    Candidate candidate;
    bool default_left;
};

/// The better of `right`, with missing on the right, and what left_above(floor) finds
/// with it on the left.
template <class F>
Choice better_way(const Candidate& right, Sums missing, double floor,
                  F left_above) noexcept {
    if (missing.G == 0.0 && missing.H == 0.0) return {right, false};
    // On equal gains the lower place wins, so those count too.
    if (right.place >= 0) floor = std::nextafter(right.gain, 0.0);
    const Candidate left = left_above(floor);
    return left.beats(right) ? Choice{left, true} : Choice{right, false};
}

int64_t pack_sums(Sums sums) noexcept {
    return static_cast<int64_t>(sums.G) * (int64_t{1} << 32) +
           static_cast<int64_t>(sums.H);
}

/// What both scores of cuts add up to, in float32 and units; -1 where not admissible.
class PackedScores {
    using Packed = simd::Vec<int64_t>;
    using Floats = simd::Vec<float>;
    using Ints = simd::Vec<std::int32_t>;

  public:
    static constexpr index_t places = Floats::size;
    /// Several times the roundings of a score.
    static constexpr double slack = 4e-6;

    template <class GainOf>
    PackedScores(Sums total, int64_t added, const GainOf& gain, const Units& units)
        : added_(added), G_(static_cast<std::int32_t>(total.G)),
          H_(static_cast<std::int32_t>(total.H)), least_(gain.least_units(units)),
          lambda_(static_cast<float>(gain.lambda_units())) {}

    /// Finds the scores of the first n places; returns the largest.
    float find(const int64_t* packed, index_t n) noexcept {
        Floats largest(-1.0f);
        const auto put = [&](index_t p, const int64_t* from) {
            const Floats both = score(simd::load<Packed>(from),
                                      simd::load<Packed>(from + Packed::size));
            simd::store(scores_ + p, both);
            largest = simd::max(largest, both);
        };
        index_t p = 0;
        for (; p + places <= n; p += places) put(p, packed + p);
        if (p < n) {
            int64_t last[places];
            std::fill_n(last, places, -1 - added_[0]); // H = -1: not admissible
            std::copy(packed + p, packed + n, last);
            put(p, last);
        }
        return simd::reduce_max(largest);
    }

    FASTNOTES_INLINE bool reaches(index_t p, float least) const noexcept {
        return simd::any(simd::load<Floats>(scores_ + p) >= Floats(least));
    }

  private:
    /// Of the places in two vectors, in any order.
    FASTNOTES_INLINE Floats score(Packed first, Packed second) const noexcept {
        const Packed low_mask(0xFFFFFFFF), high_mask(~int64_t{0xFFFFFFFF});
        const Packed a = first + added_, b = second + added_;
        const auto shifted = simd::bit_cast<std::uint64_t>(a) >> 32;
        const Ints H = simd::bit_cast<std::int32_t>((a & low_mask) | (b << 32));
        const Ints H_other = H_ - H;
        const auto heavy = (H >= least_) & (H_other >= least_);
        if (!simd::any(heavy)) return Floats(-1.0f); // often, where hessians are small
        const Ints above = simd::bit_cast<std::int32_t>(
            simd::bit_cast<int64_t>(shifted) | (b & high_mask));
        const Ints G = above - (H >> 31); // a negative low half has borrowed one
        const auto real = [](Ints v) { return simd::convert<float>(v); };
        const Floats G_left = real(G), G_right = real(G_ - G);
        const Floats H_left = real(H) + lambda_, H_right = real(H_other) + lambda_;
        const Floats both = G_left * G_left * H_right + G_right * G_right * H_left;
        return select(heavy, both / (H_left * H_right), Floats(-1.0f));
    }

    Packed added_;
    Ints G_, H_, least_;
    Floats lambda_;
    alignas(64) float scores_[most_places];
};

/// Rules out what scores less than some other place.
struct ScoreFilter {
    static constexpr index_t places = PackedScores::places;
    const PackedScores& scores;
    float least;

    bool may_exceed(index_t p) const noexcept { return scores.reaches(p, least); }
};

/// The best of n places of packed sums, to each of which `added` is added.
template <class GainOf>
Candidate best_packed_place(const PackedColumnSums& sums, index_t n, Sums added,
                            Sums total, const Units& units, const GainOf& gain,
                            double floor) noexcept {
    using Packed = simd::Vec<int64_t>;
    const int64_t more = pack_sums(added);
    const auto sums_left = [&](index_t p) {
        const auto both = unpack(simd::load<Packed>(sums.packed + p) + Packed(more));
        return SumsVector{both.G, both.H};
    };
    if (!gain.fits_float()) return best_place(n, sums_left, gain, units, floor);
    PackedScores scores(total, more, gain, units);
    const auto largest = static_cast<double>(scores.find(sums.packed, n));
    const double bar = gain.bar_of(floor)[0];
    const double least = std::max(bar, largest) * (1.0 - PackedScores::slack);
    if (largest < least) return {};
    const ScoreFilter filter{scores, static_cast<float>(least)};
    return best_place(n, sums_left, gain, units, floor, filter);
}

/// The better of both directions of missing. With missing on the right the left may be
/// any of n places; with it on the left, of n_left. Only cuts that gain more than
/// `floor` count.
template <class GainOf>
Choice choose_place(const ColumnSums& sums, index_t n_left, Sums missing, Sums,
                    const Units& units, const GainOf& gain, double floor) noexcept {
    const auto sums_at = [=](index_t p) {
        return SumsVector{simd::load<Reals>(sums.G + p), simd::load<Reals>(sums.H + p)};
    };
    const auto sums_with_missing = [=](index_t p) {
        const SumsVector known = sums_at(p);
        return SumsVector{known.G + Reals(missing.G), known.H + Reals(missing.H)};
    };
    const auto best = [&](index_t n, const auto& sums_left, double least) {
        return best_place(n, sums_left, gain, units, least);
    };
    return better_way(best(sums.n, sums_at, floor), missing, floor, [&](double least) {
        return best(n_left, sums_with_missing, least);
    });
}

template <class GainOf>
Choice choose_place(const PackedColumnSums& sums, index_t n_left, Sums missing,
                    Sums total, const Units& units, const GainOf& gain,
                    double floor) noexcept {
    const auto best = [&](index_t n, Sums added, double least) {
        return best_packed_place(sums, n, added, total, units, gain, least);
    };
    return better_way(best(sums.n, {0.0, 0.0}, floor), missing, floor,
                      [&](double least) { return best(n_left, missing, least); });
}

/// Sums of the levels of a categorical column that the node has.
struct Levels {
    double G[most_places + bins_step];
    double H[most_places + bins_step];
    uint8_t code[most_places];
    index_t n = 0;
};

template <class PlaceSums>
void list_levels(const PlaceSums& sums, Levels& levels) noexcept {
    Sums before{0.0, 0.0};
    for (index_t p = 0; p < sums.n; ++p) {
        const Sums here = sums.at(p);
        const Sums level{here.G - before.G, here.H - before.H};
        before = here;
        if (level.G == 0.0 && level.H == 0.0) continue;
        levels.G[levels.n] = level.G;
        levels.H[levels.n] = level.H;
        levels.code[levels.n++] =
            sums.code == nullptr ? static_cast<uint8_t>(p) : sums.code[p];
    }
}

/// Orders levels by their statistic and makes their sums cumulative.
void order_levels(Levels& levels, double cat_smooth, const Units& units) noexcept {
    struct Level {
        double statistic, G, H;
        uint8_t code;
    } ordered[most_places];
    for (index_t i = 0; i < levels.n; ++i) {
        const double weight = levels.H[i] * units.hess + cat_smooth;
        const double statistic = weight > 0.0 ? levels.G[i] * units.grad / weight : 0.0;
        ordered[i] = {statistic, levels.G[i], levels.H[i], levels.code[i]};
    }
    std::sort(ordered, ordered + levels.n, [](const Level& a, const Level& b) {
        return a.statistic < b.statistic ||
               (a.statistic == b.statistic && a.code < b.code);
    });
    Sums sum{0.0, 0.0};
    for (index_t i = 0; i < levels.n; ++i) {
        levels.G[i] = sum.G += ordered[i].G;
        levels.H[i] = sum.H += ordered[i].H;
        levels.code[i] = ordered[i].code;
    }
}

/// Fills `best` from a choice among places that stand for codes.
void take(const Choice& choice, Sums left, Sums missing, index_t column,
          NodeCut& best) noexcept {
    best.gain = choice.candidate.gain;
    best.column = column;
    best.default_left = choice.default_left;
    best.left = left;
    if (choice.default_left) best.left = {left.G + missing.G, left.H + missing.H};
}

/// What a cut of the column must gain more than.
double floor_of(index_t column, const NodeCut& best) noexcept {
    return column < best.column ? std::nextafter(best.gain, 0.0) : best.gain;
}

template <class PlaceSums, class GainOf>
void search_bins(index_t column, const PlaceSums& sums, Sums missing, Sums total,
                 const Units& units, const GainOf& gain, NodeCut& best) noexcept {
    const double floor = floor_of(column, best);
    const Choice choice =
        choose_place(sums, sums.n - 1, missing, total, units, gain, floor);
    if (!(choice.candidate.gain > floor)) return;
    const index_t place = choice.candidate.place;
    take(choice, sums.at(place), missing, column, best);
    best.bin = sums.code == nullptr ? place : sums.code[place];
    best.categorical = false;
}

template <class PlaceSums, class GainOf>
void search_levels(index_t column, bool one_against_all, const PlaceSums& sums,
                   Sums missing, Sums total, const GrowthRules& rules,
                   const Units& units, const GainOf& gain, NodeCut& best) noexcept {
    Levels levels;
    list_levels(sums, levels);
    if (levels.n == 0) return;
    if (!one_against_all) order_levels(levels, rules.cat_smooth, units);
    std::fill_n(levels.G + levels.n, bins_step, 0.0);
    std::fill_n(levels.H + levels.n, bins_step, 0.0);
    const double floor = floor_of(column, best);
    const auto choose = [&](index_t first, index_t n, index_t n_left) {
        const ColumnSums part{levels.G + first, levels.H + first, n - first, nullptr};
        auto choice =
            choose_place(part, n_left - first, missing, total, units, gain, floor);
        if (choice.candidate.place >= 0) choice.candidate.place += first;
        return choice;
    };
    const index_t n = levels.n, most = rules.max_cat_threshold;
    Choice choice;
    if (one_against_all) {
        choice = choose(0, n, n);
    } else if (n <= 2 * most) {
        choice = choose(0, n, n - 1);
    } else { // few on the left, else few on the right
        choice = choose(0, most, most);
        const Choice other = choose(n - 1 - most, n, n - 1);
        if (other.candidate.gain > choice.candidate.gain) choice = other;
    }
    if (!(choice.candidate.gain > floor)) return;
    const index_t place = choice.candidate.place;
    take(choice, {levels.G[place], levels.H[place]}, missing, column, best);
    best.bin = -1;
    best.categorical = true;
    best.left_codes = {};
    for (index_t i = one_against_all ? place : 0; i <= place; ++i) {
        const uint8_t code = levels.code[i];
        best.left_codes[code / 32] |= std::uint32_t{1} << (code % 32);
    }
}

} // namespace

double clipped_weight(Sums sums, const GrowthRules& rules, double lower,
                      double upper) noexcept {
    const double H = sums.H + rules.split.reg_lambda;
    const double shrunk = std::max(std::abs(sums.G) - rules.split.reg_alpha, 0.0);
    const double weight = H > 0.0 ? std::copysign(shrunk / H, -sums.G) : 0.0;
    const double least = within_step(rules, lower), most = within_step(rules, upper);
    return std::clamp(weight, least, most) + 0.0; // no -0
}

namespace {

template <class PlaceSums>
void search_places(index_t column, const GrowthColumn& about, const PlaceSums& sums,
                   const NodeFrame& frame, const GrowthRules& rules, const Units& units,
                   NodeCut& best) noexcept {
    if (sums.n == 0) return;
    const Sums known = sums.at(sums.n - 1);
    const Sums missing{frame.total.G - known.G, frame.total.H - known.H};
    const Sums total{frame.total.G * units.grad, frame.total.H * units.hess};
    const auto search = [&](const auto& gain) {
        if (about.categorical) {
            search_levels(column, about.known < rules.max_cat_to_onehot, sums, missing,
                          frame.total, rules, units, gain, best);
        } else {
            search_bins(column, sums, missing, frame.total, units, gain, best);
        }
    };
    if (rules.monotone.empty() && rules.max_delta_step == 0.0) {
        search(Gain(total, rules.split, units));
    } else {
        search(ClippedGain(total, rules, frame, about.monotone));
    }
}

} // namespace

void search_column(index_t column, const GrowthColumn& about, const ColumnSums& sums,
                   const NodeFrame& frame, const GrowthRules& rules, const Units& units,
                   NodeCut& best) noexcept {
    search_places(column, about, sums, frame, rules, units, best);
}

void search_column(index_t column, const GrowthColumn& about,
                   const PackedColumnSums& sums, const NodeFrame& frame,
                   const GrowthRules& rules, const Units& units,
                   NodeCut& best) noexcept {
    search_places(column, about, sums, frame, rules, units, best);
}

} // namespace fastnotes::boosting
