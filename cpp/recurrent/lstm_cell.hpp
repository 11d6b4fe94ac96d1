/// The LSTM's arithmetic, one vector of units at a time.
#pragma once

#include "common/simd_math.hpp"
#include "recurrent/lstm.hpp"

namespace fastnotes::recurrent::detail {

template <class Cell> struct Arithmetic;

/// Gates of a vector of units lie `stride` apart, in the order i, f, g, o.
template <class T> struct Arithmetic<LSTM<T>> {
    using V = simd::Vec<T>;

    struct Forward {
        V i, f, g, o, c, h;

        FASTNOTES_INLINE Forward(const T* a, index_t stride, V c_before,
                                 Candidate candidate) {
            i = simd::sigmoid(simd::load<V>(a));
            f = simd::sigmoid(simd::load<V>(a + stride));
            const auto a_g = simd::load<V>(a + 2 * stride);
            g = candidate == Candidate::tanh ? simd::tanh(a_g) : simd::sigmoid(a_g);
            o = simd::sigmoid(simd::load<V>(a + 3 * stride));
            c = simd::fma(f, c_before, i * g);
            h = o * simd::tanh(c);
        }
        FASTNOTES_INLINE void keep(T* gates, index_t stride) const {
            simd::store(gates, i);
            simd::store(gates + stride, f);
            simd::store(gates + 2 * stride, g);
            simd::store(gates + 3 * stride, o);
        }
    };

    /// h, from what Forward kept.
    FASTNOTES_INLINE static V output(const T* gates, index_t stride, V c) {
        return simd::load<V>(gates + 3 * stride) * simd::tanh(c);
    }

    struct Backward {
        V da[4], dc_before, h;

        FASTNOTES_INLINE Backward(const T* gates, index_t stride, V c_before, V c, V dh,
                                  V dc_after, Candidate candidate) {
            const auto i = simd::load<V>(gates), f = simd::load<V>(gates + stride);
            const auto g = simd::load<V>(gates + 2 * stride);
            const auto o = simd::load<V>(gates + 3 * stride);
            const auto tanh_c = simd::tanh(c);
            const V one(T(1));
            const auto dc = simd::fma(dh * o, one - tanh_c * tanh_c, dc_after);
            const auto slope =
                candidate == Candidate::tanh ? one - g * g : g * (one - g);
            da[0] = dc * g * (i * (one - i));
            da[1] = dc * c_before * (f * (one - f));
            da[2] = dc * i * slope;
            da[3] = dh * tanh_c * (o * (one - o));
            dc_before = dc * f;
            h = o * tanh_c;
        }
    };
};

} // namespace fastnotes::recurrent::detail
