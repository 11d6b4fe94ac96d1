/// What the gains and the cell's bias of layer_norm.hpp get from a block of steps.
#pragma once

#include "recurrent/lstm.hpp"
#include "recurrent/tile.hpp"

namespace fastnotes::recurrent::detail {

template <class T> class LayerNormGradients {
    using V = simd::Vec<T>;
    using Shape = Layout<LSTM<T>>;

  public:
    /// What rows of a block left, as weight_gradients.hpp's Block has it.
    struct Rows {
        index_t n;
        bool first;
        const T *da, *ih_hat, *hh_hat; // [n, G]   da's rows da_stride apart
        index_t da_stride;
        const T *dz, *c_hat; // [n, Hs]
    };

    /// take(size) gives a part of the scratch.
    template <class Take>
    LayerNormGradients(const Sizes& sizes, Take&& take)
        : hidden_(sizes.hidden), padded_(Shape::padded(hidden_)),
          gates_(Shape::gates(hidden_)),
          sums_(take(sizes.normalised ? 2 * (gates_ + padded_) : 0)) {}

    void clear() const noexcept { std::fill_n(sums_, 2 * (gates_ + padded_), T(0)); }

    void add(const Team& team, const Rows& rows) const noexcept {
        const index_t da_stride = rows.da_stride;
        T* const of_c = sums_ + 2 * gates_;
        add(team, rows, rows.da, da_stride, rows.ih_hat, gates_, sums_);
        add(team, rows, rows.da, da_stride, rows.hh_hat, gates_, sums_ + gates_);
        add(team, rows, rows.dz, padded_, rows.c_hat, padded_, of_c);
        add(team, rows, rows.dz, padded_, nullptr, padded_, of_c + padded_);
    }

    /// In the caller's layout.
    void finish(const Team& team, T* out) const noexcept {
        const auto [first, last] = team.share(hidden_);
        for (index_t unit = first; unit < last; ++unit) {
            for (index_t gate = 0; gate < 4; ++gate) {
                const index_t to = gate * hidden_ + unit, at = Shape::place(gate, unit);
                out[to] = sums_[at];
                out[4 * hidden_ + to] = sums_[gates_ + at];
            }
            out[8 * hidden_ + unit] = sums_[2 * gates_ + unit];
            out[9 * hidden_ + unit] = sums_[2 * gates_ + padded_ + unit];
        }
    }

  private:
    /// out [width] (+)= the rows' sum of left times right; right null: of left.
    static void add(const Team& team, const Rows& rows, const T* left, index_t stride,
                    const T* right, index_t width, T* out) noexcept {
        const auto [first, last] = team.share(width / V::size);
        for (index_t k = first * V::size; k < last * V::size; k += V::size) {
            V total(T(0));
            for (index_t r = 0; r < rows.n; ++r) {
                const auto value = simd::load<V>(left + r * stride + k);
                total =
                    right == nullptr
                        ? total + value
                        : simd::fma(value, simd::load<V>(right + r * width + k), total);
            }
            simd::store(out + k, rows.first ? total : simd::load<V>(out + k) + total);
        }
    }

    const index_t hidden_, padded_, gates_;
    T* const sums_;
};

} // namespace fastnotes::recurrent::detail
