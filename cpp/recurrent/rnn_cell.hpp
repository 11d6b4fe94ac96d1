/// The vanilla network's arithmetic, one vector of units at a time.
#pragma once

#include "common/simd_math.hpp"
#include "recurrent/rnn.hpp"

namespace fastnotes::recurrent::detail {

template <class Cell> struct Arithmetic;

/// One gate: the stride, the unit and all that is said of c are not used.
template <class T> struct Arithmetic<RNN<T>> {
    using V = simd::Vec<T>;

    struct Forward {
        V c, value;

        FASTNOTES_INLINE Forward(const T* a, index_t, V c_before, const Parts<T>& parts,
                                 index_t)
            : c(c_before) {
            const auto sum = simd::load<V>(a);
            value = parts.candidate == Candidate::tanh ? simd::tanh(sum) : relu(sum);
        }
        FASTNOTES_INLINE V h() const { return value; }
        FASTNOTES_INLINE void keep(T* gates, index_t) const {
            simd::store(gates, value);
        }
        FASTNOTES_INLINE void hold(T* sums, index_t) const { simd::store(sums, value); }

        /// NaN stays.
        FASTNOTES_INLINE static V relu(V value) {
            return select(value < V(T(0)), V(T(0)), value);
        }
    };

    FASTNOTES_INLINE static V held_output(const T* sums, index_t) {
        return simd::load<V>(sums);
    }

    FASTNOTES_INLINE static V output(const T* gates, index_t, V) {
        return simd::load<V>(gates);
    }

    struct Backward {
        V da[1], dc_before, h;

        FASTNOTES_INLINE Backward(const T* gates, index_t, V c_before, V, V dh, V,
                                  const Parts<T>& parts, index_t)
            : dc_before(c_before), h(simd::load<V>(gates)) {
            const V zero(T(0));
            da[0] = parts.candidate == Candidate::tanh ? dh * (V(T(1)) - h * h)
                                                       : select(h == zero, zero, dh);
        }
    };
};

} // namespace fastnotes::recurrent::detail
