/// Layer normalisation inside the LSTM's step, one row at a time.
///
///     a_t = gain_ih N(weight_ih x_t) + gain_hh N(weight_hh h_(t-1)) + bias
///     m_t = o * tanh(gain_c N(c_t) + bias_c)
///     N(v) = (v - mean of v) / sqrt(variance of v + epsilon)
///
/// over the 4 H sums of a row, or its H cells. Peepholes, zoneout and a projection act
/// as in lstm.hpp: they see a_t, c_t and m_t.
///
/// Precision: in T, the variance from the deviations. A sum runs lane by lane, a chain
/// for each gate; then over the lanes as a tree, then over the gates. Padding units
/// count as nothing, and are zeros in all that is kept.
///
/// Source: Ba, Kiros and Hinton, "Layer Normalization" (2016), equations 20 to 22.
#pragma once

#include "recurrent/lstm_cell.hpp"
#include "recurrent/tile.hpp"

#include <cmath>

namespace fastnotes::recurrent::detail {

/// What is added to a variance.
template <class T> inline constexpr T layer_norm_epsilon = T(1e-5);

/// f(gate, unit, real) for vectors of units; real: the lanes that are units.
template <class T, index_t n_gates, class F>
FASTNOTES_INLINE void for_each_vector(index_t hidden, F&& f) {
    using V = simd::Vec<T>;
    for (index_t unit = 0; unit < hidden; unit += V::size) {
        const auto real = simd::first_lanes<V>(lanes_of(hidden - unit));
        for (index_t gate = 0; gate < n_gates; ++gate) f(gate, unit, real);
    }
}

/// The mean of value(gate, unit), vectors of units.
template <class T, index_t n_gates, class F>
FASTNOTES_INLINE T mean_over(index_t hidden, F&& value) {
    using V = simd::Vec<T>;
    V sum[n_gates];
    for (V& each : sum) each = V(T(0));
    for_each_vector<T, n_gates>(hidden, [&](index_t gate, index_t unit, auto real) {
        sum[gate] += select(real, value(gate, unit), V(T(0)));
    });
    T total(0);
    for (const V& each : sum) total += simd::reduce_add(each);
    return total / static_cast<T>(n_gates * hidden);
}

/// What N needs of a row beside the row.
template <class T> struct Moments {
    T mean, scale; // scale: 1 / sqrt(variance + epsilon)

    FASTNOTES_INLINE simd::Vec<T> normalise(simd::Vec<T> value) const {
        return (value - simd::Vec<T>(mean)) * simd::Vec<T>(scale);
    }
};

template <class T, index_t n_gates, class F>
FASTNOTES_INLINE Moments<T> moments_of(index_t hidden, F&& value) {
    const T mean = mean_over<T, n_gates>(hidden, value);
    const auto square = [&](index_t gate, index_t unit) {
        const auto deviation = value(gate, unit) - simd::Vec<T>(mean);
        return deviation * deviation;
    };
    const T variance = mean_over<T, n_gates>(hidden, square);
    return {mean, T(1) / std::sqrt(variance + layer_norm_epsilon<T>)};
}

/// store(gate, unit, gradient of the row) from that of its N, `gradient` and `hat`.
template <class T, index_t n_gates, class Gradient, class Hat, class Store>
FASTNOTES_INLINE void denormalise(index_t hidden, T scale, Gradient&& gradient,
                                  Hat&& hat, Store&& store) {
    using V = simd::Vec<T>;
    const V mean(mean_over<T, n_gates>(hidden, gradient));
    const V slope(mean_over<T, n_gates>(hidden, [&](index_t gate, index_t unit) {
        return gradient(gate, unit) * hat(gate, unit);
    }));
    for_each_vector<T, n_gates>(hidden, [&](index_t gate, index_t unit, auto real) {
        const V value = gradient(gate, unit) - simd::fma(hat(gate, unit), slope, mean);
        store(gate, unit, select(real, V(scale) * value, V(T(0))));
    });
}

/// Rows of gates and cells: what the passes do with one of them.
template <class T> struct LayerNormRows {
    using V = simd::Vec<T>;
    using Shape = Layout<LSTM<T>>;
    using Arithmetic = LSTMArithmetic<T, true>;

    static_assert(Shape::units == V::size, "no vector is padding alone");

    const Parts<T>& parts;
    index_t hidden;

    FASTNOTES_INLINE static auto vectors_of(const T* row) {
        return [row](index_t gate, index_t unit) {
            return simd::load<V>(row + Shape::place(gate, unit));
        };
    }

    /// A row of sums becomes its N; returns the scale.
    T normalise(T* sums) const noexcept {
        const auto row = vectors_of(sums);
        const auto moments = moments_of<T, 4>(hidden, row);
        for_each_vector<T, 4>(hidden, [&](index_t gate, index_t unit, auto real) {
            const V value = moments.normalise(row(gate, unit));
            simd::store(sums + Shape::place(gate, unit), select(real, value, V(T(0))));
        });
        return moments.scale;
    }

    /// a = gain_ih ih_hat + gain_hh hh_hat + bias; `a` may be ih_hat.
    void join(const T* ih_hat, const T* hh_hat, const T* bias, T* a) const noexcept {
        const LayerNorm<T>& norm = parts.layer_norm;
        for (index_t k = 0; k < Shape::gates(hidden); k += V::size) {
            const auto hh =
                simd::fma(simd::load<V>(norm.gain_hh + k), simd::load<V>(hh_hat + k),
                          simd::load<V>(bias + k));
            simd::store(a + k, simd::fma(simd::load<V>(norm.gain_ih + k),
                                         simd::load<V>(ih_hat + k), hh));
        }
    }

    /// tanh(gain_c hat + bias_c).
    FASTNOTES_INLINE V tanh_c(V hat, index_t unit) const {
        const LayerNorm<T>& norm = parts.layer_norm;
        return simd::tanh(simd::fma(simd::load<V>(norm.gain_c + unit), hat,
                                    simd::load<V>(norm.bias_c + unit)));
    }

    /// store(unit, m) for a row of cells; returns their moments.
    template <class F>
    FASTNOTES_INLINE Moments<T> outputs(const T* gates, const T* cells,
                                        F&& store) const {
        const auto c = [&](index_t, index_t unit) {
            return simd::load<V>(cells + unit);
        };
        const auto moments = moments_of<T, 1>(hidden, c);
        for_each_vector<T, 1>(hidden, [&](index_t, index_t unit, auto) {
            const V tanh = tanh_c(moments.normalise(c(0, unit)), unit);
            store(unit, simd::load<V>(gates + Shape::place(3, unit)) * tanh);
        });
        return moments;
    }

    /// A row of the backward pass. What it reads, of the cache and by the pass:
    struct Kept {
        const T *gates, *ih_hat, *hh_hat; // [G]
        const T* moments;                 // [4]
        const T* c_before;                // [Hs]
    };
    /// And what it leaves for the weights' gradients.
    struct Left {
        T *da, *da_ih, *da_hh; // [G]   of the pre-activations, of both sums
        T *dz, *c_hat;         // [Hs]  of tanh's argument; N(c)
        T* m;                  // [Hs]  null: nobody needs it
    };

    /// dz, N(c), m and da of the output gate, from dm(unit).
    template <class F>
    FASTNOTES_INLINE void through_outputs(const Kept& kept, const Left& left,
                                          F&& dm) const {
        const Moments<T> moments{kept.moments[2], kept.moments[3]};
        for_each_vector<T, 1>(hidden, [&](index_t, index_t unit, auto real) {
            const index_t at = Shape::place(0, unit);
            const T* const gates = kept.gates + at;
            const auto before = simd::load<V>(kept.c_before + unit);
            const auto c = Arithmetic::cell(gates, Shape::units, before);
            const V hat = select(real, moments.normalise(c), V(T(0)));
            const V z = tanh_c(hat, unit);
            typename Arithmetic::Backward cell;
            const V dtanh = cell.through_output(gates, Shape::units, z, dm(unit));
            const auto keep = [&](T* to, V value) {
                simd::store(to, select(real, value, V(T(0))));
            };
            keep(left.c_hat + unit, hat);
            keep(left.dz + unit, dtanh * (V(T(1)) - z * z));
            keep(left.da + at + 3 * Shape::units, cell.da[3]);
            if (left.m != nullptr) simd::store(left.m + unit, cell.h);
        });
    }

    /// The other gates' da and dc of the step before, in place. stays(unit): what
    /// zoneout keeps of c.
    template <class F>
    FASTNOTES_INLINE void through_cells(const Kept& kept, const Left& left, T* dc,
                                        F&& stays) const {
        const auto gradient = [&](index_t, index_t unit) {
            return simd::load<V>(left.dz + unit) *
                   simd::load<V>(parts.layer_norm.gain_c + unit);
        };
        const auto hat = [&](index_t, index_t unit) {
            return simd::load<V>(left.c_hat + unit);
        };
        const auto store = [&](index_t, index_t unit, V through_norm) {
            const index_t at = Shape::place(0, unit);
            const auto real = simd::first_lanes<V>(lanes_of(hidden - unit));
            const V part = stays(unit), after = simd::load<V>(dc + unit);
            const V through = simd::fma(V(T(1)) - part, after, through_norm);
            typename Arithmetic::Backward cell;
            cell.da[3] = simd::load<V>(left.da + at + 3 * Shape::units);
            cell.through_cell(kept.gates + at, Shape::units,
                              simd::load<V>(kept.c_before + unit), through, parts,
                              unit);
            for (index_t gate = 0; gate < 3; ++gate)
                simd::store(left.da + at + gate * Shape::units,
                            select(real, cell.da[gate], V(T(0))));
            simd::store(dc + unit, simd::fma(part, after, cell.dc_before));
        };
        denormalise<T, 1>(hidden, kept.moments[3], gradient, hat, store);
    }

    /// Gradients of both sums.
    void through_sums(const Kept& kept, const Left& left) const noexcept {
        const auto back = [&](const T* gain, const T* hat, T scale, T* to) {
            const auto gradient = [&](index_t gate, index_t unit) {
                const index_t at = Shape::place(gate, unit);
                return simd::load<V>(left.da + at) * simd::load<V>(gain + at);
            };
            denormalise<T, 4>(hidden, scale, gradient, vectors_of(hat),
                              [&](index_t gate, index_t unit, V value) {
                                  simd::store(to + Shape::place(gate, unit), value);
                              });
        };
        const LayerNorm<T>& norm = parts.layer_norm;
        back(norm.gain_ih, kept.ih_hat, kept.moments[0], left.da_ih);
        back(norm.gain_hh, kept.hh_hat, kept.moments[1], left.da_hh);
    }
};

} // namespace fastnotes::recurrent::detail
