/// A strip of neighbouring sums: columns of one plane, or whole rows.
#pragma once

#include "evidence/anchored_sums.hpp"

namespace fastnotes::evidence {

/// The anchored sums of up to `capacity` outputs, and what the second pass needs.
template <class T> struct Strip {
    using V = simd::Vec<T>;
    static constexpr index_t capacity = 1024;             // wide runs of memory, in L2
    static constexpr index_t padded = capacity + V::size; // a vector may start anywhere

    alignas(64) T anchor[padded];
    alignas(64) T largest[padded];
    alignas(64) double sum[padded];
    alignas(64) double square[padded];
    alignas(64) T term[padded]; // what the second pass applies, see set_scale

    bool any_infinite(index_t size) const noexcept {
        bool found = false;
        for (index_t i = 0; i < size; i += V::size) {
            found |= simd::any(is_infinite(simd::load<V>(largest + i)));
        }
        return found;
    }

    /// `Squares`: with the sums of squares.
    template <bool Squares = true>
    FASTNOTES_INLINE AnchoredSums<T> load(index_t i) const noexcept {
        AnchoredSums<T> sums{simd::load<V>(anchor + i), simd::load<V>(largest + i),
                             Wide<T>::load(sum + i)};
        if constexpr (Squares) sums.square = Wide<T>::load(square + i);
        return sums;
    }
    template <bool Squares = true>
    FASTNOTES_INLINE void store(index_t i, const AnchoredSums<T>& sums) noexcept {
        simd::store(anchor + i, sums.anchor);
        simd::store(largest + i, sums.largest);
        sums.sum.store(sum + i);
        if constexpr (Squares) sums.square.store(square + i);
    }

    /// The sums of nothing, in the first `size` places (and up to a vector beyond).
    void clear(index_t size) noexcept {
        for (index_t i = 0; i < size; i += V::size) store(i, AnchoredSums<T>{});
    }

    /// Adds a later block of the same outputs.
    void merge(const Strip& other, index_t size) noexcept {
        using Part = typename Wide<T>::Part;
        const auto plus = [](Part a, Part b) { return a + b; };
        for (index_t i = 0; i < size; i += V::size) {
            AnchoredSums<T> mine = load(i), theirs = other.load(i);
            const V target = simd::max(mine.anchor, theirs.anchor);
            mine.rebase(target);
            theirs.rebase(target);
            mine.largest = simd::max(mine.largest, theirs.largest);
            mine.sum = Wide<T>::map(plus, mine.sum, theirs.sum);
            mine.square = Wide<T>::map(plus, mine.square, theirs.square);
            store(i, mine);
        }
    }
};

} // namespace fastnotes::evidence
