/// What the weights, the bias and optional parts get from a block of steps of the
/// backward pass: sums over packed rows.
#pragma once

#include "nn/gemm_parts.hpp"
#include "recurrent/layer_norm_gradients.hpp"
#include "recurrent/lstm_cell.hpp"
#include "recurrent/rnn_cell.hpp"
#include "recurrent/tile.hpp"

namespace fastnotes::recurrent::detail {

/// Packed rows summed in one chain before they join the total.
inline constexpr index_t block_rows = 256;

/// Steps [t0, t1), and what the recurrence left of their rows.
template <class T> struct Block {
    index_t t0, t1;
    bool first;             // of those that are summed: the last of the sequences
    const T* da;            // [rows, G]   gradients of the gates, rows da_stride apart
    const T *da_ih, *da_hh; // [rows, G]   of both sums: da without normalisation
    index_t da_stride;
    const T* h_before;   // [rows, output_width]
    const T* m;          // [rows, Hs]   with a projection, and so
    const T* dh;         // [rows, Rs]   what goes through it
    const T *dz, *c_hat; // [rows, Hs]   with normalisation: LayerNormRows has them
};

template <class Cell> class WeightGradients {
    using T = typename Cell::Value;
    using V = simd::Vec<T>;
    using Arithmetic = detail::Arithmetic<Cell>;

  public:
    /// take(size) gives a part of the scratch; blocks have at most `rows` rows.
    template <class Take>
    WeightGradients(const Backward<T>& call, const Schedule& schedule, index_t rows,
                    int n_threads, Take&& take)
        : call_(call), schedule_(schedule), input_(call.sizes.input),
          hidden_(call.sizes.hidden), output_(call.sizes.output()),
          projection_(call.sizes.projection), padded_(Layout<Cell>::padded(hidden_)),
          output_width_(Layout<Cell>::output(call.sizes)),
          gates_width_(Layout<Cell>::gates(hidden_)),
          own_size_(detail::slice<T>(rows * slice)), layer_norm_(call.sizes, take) {
        x_columns_ = take(rows * input_);
        h_columns_ = take(rows * output_);
        m_columns_ = take(projection_ > 0 ? rows * hidden_ : 0);
        own_ = take(own_size_ * n_threads);
        dweight_ih_ = take(ih_size());
        dweight_hh_ = take(hh_size());
        dbias_ = take(gates_width_);
        dpeephole_ = take(peephole_size());
        dweight_hr_ = take(hr_size());
    }

    /// Scratch of this thread, [rows, S].
    T* own(const Team& team) const noexcept { return own_ + team.index * own_size_; }

    void clear() const noexcept {
        std::fill_n(dweight_ih_, ih_size(), T(0));
        std::fill_n(dweight_hh_, hh_size(), T(0));
        std::fill_n(dbias_, gates_width_, T(0));
        std::fill_n(dpeephole_, peephole_size(), T(0));
        std::fill_n(dweight_hr_, hr_size(), T(0));
        if constexpr (Cell::normalised) layer_norm_.clear();
    }

    /// x, h_(t-1) and m of the block as tiles of packed rows, which `add` reads.
    void pack_columns(const Team& team, const Block<T>& block) const noexcept {
        const index_t start = schedule_.first(block.t0);
        const index_t n = schedule_.first(block.t1) - start;
        const auto pack = [&](const T* from, index_t stride, index_t columns, T* to) {
            const nn::RowTiles tiles(columns);
            const auto [first, last] = team.share(tiles.count);
            nn::pack_rows_transposed(from, stride, n, tiles, first, last, to);
        };
        const index_t x_stride = row_stride<T>(input_);
        pack(call_.cache.x + start * x_stride, x_stride, input_, x_columns_);
        pack(block.h_before, output_width_, output_, h_columns_);
        if (projection_ > 0) pack(block.m, padded_, hidden_, m_columns_);
    }

    /// The block's part of all sums, for this thread's slices.
    void add(const Team& team, const Block<T>& block) const noexcept {
        const index_t n = schedule_.first(block.t1) - schedule_.first(block.t0);
        T* const own = this->own(team);
        const auto [first, last] = team.share(gates_width_ / slice);
        for (index_t s = first; s < last; ++s) {
            V total[nn::panel_vectors];
            for (auto& sum : total) sum = V(T(0));
            for (index_t row = 0; row < n; ++row) {
                for (index_t v = 0; v < nn::panel_vectors; ++v) {
                    const index_t at = row * block.da_stride + s * slice + v * L;
                    const auto value = simd::load<V>(block.da + at);
                    total[v] += value;
                    simd::store(own + row * slice + v * L,
                                Cell::normalised ? simd::load<V>(block.da_ih + at)
                                                 : value);
                }
            }
            for (index_t v = 0; v < nn::panel_vectors; ++v) {
                T* const at = dbias_ + s * slice + v * L;
                simd::store(at, block.first ? total[v] : simd::load<V>(at) + total[v]);
            }
            accumulate(x_columns_, input_, own, n, dweight_ih_ + s * input_ * slice,
                       block.first);
            if constexpr (Cell::normalised) {
                for (index_t row = 0; row < n; ++row)
                    std::copy_n(block.da_hh + row * block.da_stride + s * slice, slice,
                                own + row * slice);
            }
            accumulate(h_columns_, output_, own, n, dweight_hh_ + s * output_ * slice,
                       block.first);
        }
        if constexpr (Cell::extended) {
            if (projection_ > 0) add_projection(team, block, n);
            if (call_.parts.peephole != nullptr) add_peephole(team, block);
        }
        if constexpr (Cell::normalised) {
            const index_t at = schedule_.first(block.t0) * gates_width_;
            layer_norm_.add(team, {n, block.first, block.da, call_.cache.ih_hat + at,
                                   call_.cache.hh_hat + at, block.da_stride, block.dz,
                                   block.c_hat});
        }
    }

    /// In the caller's layout.
    void finish(const Team& team) const noexcept {
        const auto [first, last] = team.share(Layout<Cell>::unit_panels(hidden_));
        for (index_t p = first; p < last; ++p) {
            unpack(p, input_, dweight_ih_, call_.dweight_ih);
            unpack(p, output_, dweight_hh_, call_.dweight_hh);
            unpack(p, 1, dbias_, call_.dbias);
        }
        if constexpr (Cell::extended) {
            if (call_.dpeephole != nullptr) unpack_peephole(team);
            if (projection_ > 0) unpack_projection(team);
        }
        if constexpr (Cell::normalised) layer_norm_.finish(team, call_.dlayer_norm);
    }

  private:
    static constexpr index_t L = Layout<Cell>::L;
    static constexpr index_t units = Layout<Cell>::units;
    static constexpr index_t width = Layout<Cell>::panel_width;
    static constexpr index_t slice = detail::slice_width<T>;

    index_t ih_size() const noexcept { return gates_width_ * input_; }
    index_t hh_size() const noexcept { return gates_width_ * output_; }
    index_t hr_size() const noexcept {
        return projection_ > 0 ? output_width_ * hidden_ : 0;
    }
    index_t peephole_size() const noexcept { return Cell::has_c ? 3 * padded_ : 0; }

    void add_projection(const Team& team, const Block<T>& block,
                        index_t n) const noexcept {
        T* const own = this->own(team);
        const auto [first, last] = team.share(output_width_ / slice);
        for (index_t s = first; s < last; ++s) {
            for (index_t row = 0; row < n; ++row)
                std::copy_n(block.dh + row * output_width_ + s * slice, slice,
                            own + row * slice);
            accumulate(m_columns_, hidden_, own, n, dweight_hr_ + s * hidden_ * slice,
                       block.first);
        }
    }

    void add_peephole(const Team& team, const Block<T>& block) const noexcept {
        const index_t start = schedule_.first(block.t0);
        const auto [first, last] = team.share(padded_ / L);
        for (index_t unit = first * L; unit < last * L; unit += L) {
            V total[3] = {V(T(0)), V(T(0)), V(T(0))};
            for (index_t t = block.t0; t < block.t1; ++t) {
                for (index_t r = 0; r < schedule_.active(t); ++r) {
                    const index_t packed = schedule_.first(t) + r;
                    const index_t place = unit / units * width + unit % units;
                    const T* const da =
                        block.da + (packed - start) * block.da_stride + place;
                    const T* const gates =
                        call_.cache.gates + packed * gates_width_ + place;
                    const auto c_before = simd::load<V>(cell_before(t, r) + unit);
                    const auto c = Arithmetic::cell(gates, units, c_before);
                    total[0] = simd::fma(simd::load<V>(da), c_before, total[0]);
                    total[1] = simd::fma(simd::load<V>(da + units), c_before, total[1]);
                    total[2] = simd::fma(simd::load<V>(da + 3 * units), c, total[2]);
                }
            }
            for (index_t gate = 0; gate < 3; ++gate) {
                T* const at = dpeephole_ + 3 * unit + gate * L;
                simd::store(at, block.first ? total[gate]
                                            : simd::load<V>(at) + total[gate]);
            }
        }
    }

    /// out [columns, S] (+)= left, as pack_columns leaves it, times da [n, S].
    void accumulate(const T* left, index_t columns, const T* da, index_t n, T* out,
                    bool overwrite) const noexcept {
        detail::for_each_tile(0, columns, [&](index_t k, auto rows) {
            constexpr index_t R = decltype(rows)::value;
            const nn::Store<T, nn::Identity> store{out + k * slice, slice, slice,
                                                   !overwrite, nn::Identity()};
            nn::micro_tile<T, R, nn::panel_vectors>(nn::PackedRows<T, R>{left + k * n},
                                                    nn::Panel<T>{da, slice}, n,
                                                    nn::StartAtZero(), store);
        });
    }

    /// Panel p of [P, n U / S, columns, S] into rows of [n H, columns].
    void unpack(index_t p, index_t columns, const T* packed, T* out) const noexcept {
        const T* const panel = packed + p * columns * width;
        const index_t real = std::min(units, hidden_ - p * units);
        for (index_t k0 = 0; k0 < columns; k0 += L) {
            const index_t k1 = std::min(k0 + L, columns);
            for (index_t j = 0; j < width; j += L) {
                const index_t gate = j / units, first = j % units;
                const T* const from =
                    panel + j / slice * columns * slice + j % slice + k0 * slice;
                V block[L];
                for (index_t k = 0; k < L; ++k) {
                    block[k] = k0 + k < k1 ? simd::load<V>(from + k * slice) : V(T(0));
                }
                simd::transpose(block);
                for (index_t u = 0; u < std::min(L, real - first); ++u) {
                    T* const row =
                        out + (gate * hidden_ + p * units + first + u) * columns;
                    detail::store_partial<T>(row + k0, block[u], k1 - k0);
                }
            }
        }
    }

    /// [Hs / L, 3, L] into [3 H].
    void unpack_peephole(const Team& team) const noexcept {
        const auto [first, last] = team.share(hidden_);
        for (index_t unit = first; unit < last; ++unit) {
            for (index_t gate = 0; gate < 3; ++gate) {
                call_.dpeephole[gate * hidden_ + unit] =
                    dpeephole_[(unit / L * 3 + gate) * L + unit % L];
            }
        }
    }

    /// [Q(R), H, S] into [R, H].
    void unpack_projection(const Team& team) const noexcept {
        const auto [first, last] = team.share(output_);
        for (index_t r = first; r < last; ++r) {
            const T* const from = dweight_hr_ + r / slice * hidden_ * slice + r % slice;
            for (index_t k = 0; k < hidden_; ++k)
                call_.dweight_hr[r * hidden_ + k] = from[k * slice];
        }
    }

    const T* cell_before(index_t t, index_t r) const noexcept {
        const index_t row = t == 0 ? r : call_.sizes.batch + schedule_.first(t - 1) + r;
        return call_.cache.c + row * padded_;
    }

    const Backward<T>& call_;
    const Schedule& schedule_;
    const index_t input_, hidden_, output_, projection_;
    const index_t padded_, output_width_, gates_width_, own_size_;
    T *x_columns_, *h_columns_, *m_columns_, *own_;
    T *dweight_ih_, *dweight_hh_, *dbias_, *dpeephole_, *dweight_hr_;
    const LayerNormGradients<T> layer_norm_;
};

} // namespace fastnotes::recurrent::detail
