/// The LSTM's arithmetic, one vector of units at a time.
#pragma once

#include "common/simd_math.hpp"
#include "recurrent/lstm.hpp"
#include "recurrent/tile.hpp"

namespace fastnotes::recurrent::detail {

template <class Cell> struct Arithmetic;

/// Peepholes of a vector of units.
template <class T> struct Peepholes {
    using V = simd::Vec<T>;
    V i, f, o;

    FASTNOTES_INLINE Peepholes(const T* packed, index_t unit)
        : i(simd::load<V>(packed + 3 * unit)),
          f(simd::load<V>(packed + 3 * unit + V::size)),
          o(simd::load<V>(packed + 3 * unit + 2 * V::size)) {}
};

/// Of n units, of which the first has place `at` in [B, T, H].
template <class T>
FASTNOTES_INLINE simd::Vec<T> part_that_stays(const Zoneout<T>& zoneout, index_t at,
                                              index_t n) {
    if (zoneout.parts == nullptr) return simd::Vec<T>(zoneout.part);
    return load_partial<T>(zoneout.parts + at, n);
}

/// A vector of a state after the step, of which a part stays as it was before.
template <class T, class V>
FASTNOTES_INLINE V zone_out(const Zoneout<T>& zoneout, index_t at, index_t n, V before,
                            V after) {
    const auto stays = part_that_stays(zoneout, at, n);
    return simd::fma(stays, before, (V(T(1)) - stays) * after);
}

/// Gates of a vector of units, the first of which is `unit`, lie `stride` apart, in the
/// order i, f, g, o.
template <class T, bool extended> struct LSTMArithmetic {
    using V = simd::Vec<T>;

    struct Forward {
        V i, f, g, o, c;

        FASTNOTES_INLINE Forward(const T* a, index_t stride, V c_before,
                                 const Parts<T>& parts, index_t unit) {
            V a_i = simd::load<V>(a), a_f = simd::load<V>(a + stride);
            const auto a_g = simd::load<V>(a + 2 * stride);
            V a_o = simd::load<V>(a + 3 * stride);
            const bool peeps = extended && parts.peephole != nullptr;
            if (peeps) {
                const Peepholes<T> peephole(parts.peephole, unit);
                a_i = simd::fma(peephole.i, c_before, a_i);
                a_f = simd::fma(peephole.f, c_before, a_f);
            }
            i = simd::sigmoid(a_i);
            f = simd::sigmoid(a_f);
            g = parts.candidate == Candidate::tanh ? simd::tanh(a_g)
                                                   : simd::sigmoid(a_g);
            c = simd::fma(f, c_before, i * g);
            if (peeps) a_o = simd::fma(Peepholes<T>(parts.peephole, unit).o, c, a_o);
            o = simd::sigmoid(a_o);
        }
        FASTNOTES_INLINE V h() const { return o * simd::tanh(c); }
        FASTNOTES_INLINE void hold(T* sums, index_t stride) const {
            simd::store(sums, o);
            simd::store(sums + stride, c);
        }
        FASTNOTES_INLINE void keep(T* gates, index_t stride) const {
            simd::store(gates, i);
            simd::store(gates + stride, f);
            simd::store(gates + 2 * stride, g);
            simd::store(gates + 3 * stride, o);
        }
    };

    /// h, from what Forward left to hold.
    FASTNOTES_INLINE static V held_output(const T* sums, index_t stride) {
        return simd::load<V>(sums) * simd::tanh(simd::load<V>(sums + stride));
    }

    /// c before zoneout, from what Forward kept.
    FASTNOTES_INLINE static V cell(const T* gates, index_t stride, V c_before) {
        const auto i = simd::load<V>(gates), f = simd::load<V>(gates + stride);
        return simd::fma(f, c_before, i * simd::load<V>(gates + 2 * stride));
    }

    /// h, from what Forward kept.
    FASTNOTES_INLINE static V output(const T* gates, index_t stride, V c) {
        return simd::load<V>(gates + 3 * stride) * simd::tanh(c);
    }

    struct Backward {
        V da[4], dc_before, h;

        Backward() = default;
        FASTNOTES_INLINE Backward(const T* gates, index_t stride, V c_before, V c, V dh,
                                  V dc_after, const Parts<T>& parts, index_t unit) {
            const auto tanh_c = simd::tanh(c);
            const V one(T(1)), dm = through_output(gates, stride, tanh_c, dh);
            const V dc = simd::fma(dm, one - tanh_c * tanh_c, dc_after);
            through_cell(gates, stride, c_before, dc, parts, unit);
        }

        /// The gradient of tanh_c, after that of the output gate.
        FASTNOTES_INLINE V through_output(const T* gates, index_t stride, V tanh_c,
                                          V dh) {
            const auto o = simd::load<V>(gates + 3 * stride);
            da[3] = dh * tanh_c * (o * (V(T(1)) - o));
            h = o * tanh_c;
            return dh * o;
        }

        /// The others, from that of c through all but the output gate's peephole.
        FASTNOTES_INLINE void through_cell(const T* gates, index_t stride, V c_before,
                                           V dc, const Parts<T>& parts, index_t unit) {
            const auto i = simd::load<V>(gates), f = simd::load<V>(gates + stride);
            const auto g = simd::load<V>(gates + 2 * stride);
            const V one(T(1));
            const auto slope =
                parts.candidate == Candidate::tanh ? one - g * g : g * (one - g);
            const bool peeps = extended && parts.peephole != nullptr;
            if (peeps) dc = simd::fma(da[3], Peepholes<T>(parts.peephole, unit).o, dc);
            da[0] = dc * g * (i * (one - i));
            da[1] = dc * c_before * (f * (one - f));
            da[2] = dc * i * slope;
            dc_before = dc * f;
            if (peeps) {
                const Peepholes<T> peephole(parts.peephole, unit);
                dc_before = simd::fma(da[0], peephole.i, dc_before);
                dc_before = simd::fma(da[1], peephole.f, dc_before);
            }
        }
    };
};

template <class T> struct Arithmetic<LSTM<T>> : LSTMArithmetic<T, false> {};
template <class T> struct Arithmetic<ExtendedLSTM<T>> : LSTMArithmetic<T, true> {};
template <class T> struct Arithmetic<NormalisedLSTM<T>> : LSTMArithmetic<T, true> {};

} // namespace fastnotes::recurrent::detail
