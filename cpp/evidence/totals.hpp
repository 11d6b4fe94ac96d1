/// From the sums of a strip to results: the edge values of the room are decided here.
#pragma once

#include "evidence/strip.hpp"

namespace fastnotes::evidence {

/// The sums of one vector of outputs, taken at the true maximum.
template <class T> struct Totals {
    using V = simd::Vec<T>;
    using Part = typename Wide<T>::Part;

    Wide<T> largest, sum, square;

    /// `positive`: without factors, where the largest term alone contributes 1.
    FASTNOTES_INLINE Totals(AnchoredSums<T> sums, bool positive) noexcept {
        sums.rebase(sums.largest);
        largest = Wide<T>::widen(sums.largest);
        sum = sums.sum;
        square = sums.square;
        if (positive) {
            sum = Wide<T>::map([](Part s) { return simd::max(Part(1), s); }, sum);
        }
    }

    /// largest + log(sum / count).
    FASTNOTES_INLINE V log_mean(double count) const noexcept {
        return Wide<T>::map(
                   [&](Part m, Part s) {
                       const Part value = m + simd::log(s / Part(count));
                       return select(nothing(m, s), m, value);
                   },
                   largest, sum)
            .narrow();
    }

    /// 1 / sum, 0 where there is no weight at all.
    FASTNOTES_INLINE V scale() const noexcept {
        return Wide<T>::map(
                   [](Part m, Part s) {
                       return select(nothing(m, s), Part(0), Part(1) / s);
                   },
                   largest, sum)
            .narrow();
    }

    /// scale 2^-64: what exp_raised<64> is multiplied by.
    FASTNOTES_INLINE V raised_scale() const noexcept {
        return scale() * V(static_cast<T>(0x1p-64));
    }

    /// log sum, +inf where there is no weight at all.
    FASTNOTES_INLINE V log_sum() const noexcept {
        const Part infinity(std::numeric_limits<double>::infinity());
        return Wide<T>::map(
                   [&](Part m, Part s) {
                       return select(nothing(m, s), infinity, simd::log(s));
                   },
                   largest, sum)
            .narrow();
    }

    /// sum^2 / square, which rounding may not take out of [1, count].
    FASTNOTES_INLINE V effective_size(double count) const noexcept {
        return Wide<T>::map(
                   [&](Part m, Part s, Part q) {
                       const Part inside =
                           simd::max(Part(1), simd::min(Part(count), s * s / q));
                       return select(nothing(m, s), Part(0), inside);
                   },
                   largest, sum, square)
            .narrow();
    }

  private:
    /// Every x was -inf (and none NaN): the sums then count elements, see AnchoredSums.
    FASTNOTES_INLINE static auto nothing(Part m, Part s) noexcept {
        return (m == Part(-std::numeric_limits<double>::infinity())) & (s == s);
    }
};

} // namespace fastnotes::evidence
