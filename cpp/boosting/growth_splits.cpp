#include "boosting/growth_splits.hpp"

#include <algorithm>
#include <cmath>

namespace fastnotes::boosting {
namespace {

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

/// The better of both directions of missing. With missing on the right the left may be
/// any of n places; with it on the left, of n_left. Only cuts that gain more than
/// `floor` count.
template <class GainOf>
Choice choose_place(const double* G, const double* H, index_t n, index_t n_left,
                    Sums missing, const Units& units, const GainOf& gain,
                    double floor) noexcept {
    const auto sums_at = [=](index_t p) {
        return SumsVector{simd::load<Reals>(G + p), simd::load<Reals>(H + p)};
    };
    const auto sums_with_missing = [=](index_t p) {
        return SumsVector{simd::load<Reals>(G + p) + Reals(missing.G),
                          simd::load<Reals>(H + p) + Reals(missing.H)};
    };
    const Candidate right = best_place(n, sums_at, gain, units, floor);
    if (missing.G == 0.0 && missing.H == 0.0) return {right, false};
    // On equal gains the lower place wins, so those count too.
    if (right.place >= 0) floor = std::nextafter(right.gain, 0.0);
    const Candidate left = best_place(n_left, sums_with_missing, gain, units, floor);
    return left.beats(right) ? Choice{left, true} : Choice{right, false};
}

/// Sums of the levels of a categorical column that the node has.
struct Levels {
    double G[most_places + bins_step];
    double H[most_places + bins_step];
    uint8_t code[most_places];
    index_t n = 0;
};

void list_levels(const ColumnSums& sums, Levels& levels) noexcept {
    Sums before{0.0, 0.0};
    for (index_t p = 0; p < sums.n; ++p) {
        const Sums level{sums.G[p] - before.G, sums.H[p] - before.H};
        before = {sums.G[p], sums.H[p]};
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

template <class GainOf>
void search_bins(index_t column, const ColumnSums& sums, Sums missing,
                 const Units& units, const GainOf& gain, NodeCut& best) noexcept {
    const double floor = floor_of(column, best);
    const Choice choice =
        choose_place(sums.G, sums.H, sums.n, sums.n - 1, missing, units, gain, floor);
    if (!(choice.candidate.gain > floor)) return;
    const index_t place = choice.candidate.place;
    take(choice, {sums.G[place], sums.H[place]}, missing, column, best);
    best.bin = sums.code == nullptr ? place : sums.code[place];
    best.categorical = false;
}

template <class GainOf>
void search_levels(index_t column, bool one_against_all, const ColumnSums& sums,
                   Sums missing, const GrowthRules& rules, const Units& units,
                   const GainOf& gain, NodeCut& best) noexcept {
    Levels levels;
    list_levels(sums, levels);
    if (levels.n == 0) return;
    if (!one_against_all) order_levels(levels, rules.cat_smooth, units);
    std::fill_n(levels.G + levels.n, bins_step, 0.0);
    std::fill_n(levels.H + levels.n, bins_step, 0.0);
    const double floor = floor_of(column, best);
    const auto choose = [&](index_t first, index_t n, index_t n_left) {
        auto choice = choose_place(levels.G + first, levels.H + first, n - first,
                                   n_left - first, missing, units, gain, floor);
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

void search_column(index_t column, const GrowthColumn& about, const ColumnSums& sums,
                   const NodeFrame& frame, const GrowthRules& rules, const Units& units,
                   NodeCut& best) noexcept {
    if (sums.n == 0) return;
    const Sums missing{frame.total.G - sums.G[sums.n - 1],
                       frame.total.H - sums.H[sums.n - 1]};
    const Sums total{frame.total.G * units.grad, frame.total.H * units.hess};
    const auto search = [&](const auto& gain) {
        if (about.categorical) {
            search_levels(column, about.known < rules.max_cat_to_onehot, sums, missing,
                          rules, units, gain, best);
        } else {
            search_bins(column, sums, missing, units, gain, best);
        }
    };
    if (rules.monotone.empty() && rules.max_delta_step == 0.0) {
        search(Gain(total, rules.split, units));
    } else {
        search(ClippedGain(total, rules, frame, about.monotone));
    }
}

} // namespace fastnotes::boosting
