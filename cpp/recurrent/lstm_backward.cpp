/// Backward: a block of steps at a time, from the last block to the first.
///
/// Within a block the recurrence leaves the gradients of its gates in scratch, where
/// they are still in cache when the weight gradients and dx take them up. The cache of
/// the forward pass is only read: h is o * tanh(c) again rather than stored.
#include "common/simd_math.hpp"
#include "recurrent/lstm_tile.hpp"

namespace fastnotes::recurrent {
namespace {

using detail::Layout;
using detail::n_gates;
using detail::SliceProduct;
template <class T> using V = simd::Vec<T>;

/// Packed rows summed in one chain before they join the total.
constexpr index_t block_rows = 256;

index_t block_steps(const Schedule& schedule) {
    const index_t rows = std::max<index_t>(1, schedule.active(0));
    return std::max<index_t>(1, block_rows / rows);
}

template <class T> class BackwardRun {
  public:
    BackwardRun(const LSTMBackward<T>& call, const Schedule& schedule, bool by_rows,
                int n_threads)
        : call_(call), schedule_(schedule), by_rows_(by_rows), batch_(call.sizes.batch),
          input_(call.sizes.input), hidden_(call.sizes.hidden),
          padded_(Layout<T>::padded(hidden_)), gates_width_(Layout<T>::gates(hidden_)),
          da_stride_(lstm_row_stride<T>(gates_width_)),
          state_width_(round_up(hidden_, slice)), block_(block_steps(schedule)) {
        T* next = call.scratch;
        const auto take = [&](index_t size) {
            T* const part = next;
            next += detail::slice<T>(size);
            return part;
        };
        const index_t rows =
            std::min(block_, std::max<index_t>(1, schedule.steps)) * schedule.active(0);
        da_ = take(rows * da_stride_);
        h_before_ = take(rows * padded_);
        dh_ = take(batch_ * state_width_);
        dc_ = take(batch_ * padded_);
        x_columns_ = take(rows * input_);
        h_columns_ = take(rows * hidden_);
        own_size_ = detail::slice<T>(rows * slice);
        own_ = take(own_size_ * n_threads);
        dweight_ih_ = take(gates_width_ * input_);
        dweight_hh_ = take(gates_width_ * hidden_);
        dbias_ = take(gates_width_);
        size_ = next - call.scratch;
    }

    index_t scratch_size() const { return size_; }

    void operator()(const Team& team) const noexcept {
        begin(team);
        team.barrier();
        const index_t blocks = ceil_div(schedule_.steps, block_);
        for (index_t block = blocks; block-- > 0;) {
            const index_t t0 = block * block_;
            const index_t t1 = std::min(t0 + block_, schedule_.steps);
            for (index_t t = t1; t-- > t0;) {
                gate_gradients(team, t, t0, t1);
                if (!by_rows_) team.barrier();
                state_gradients(team, t, t0);
            }
            first_h_before(team, t0);
            team.barrier();
            pack_columns(team, t0, t1);
            input_gradients(team, t0, t1);
            team.barrier();
            weight_gradients(team, t0, t1, block + 1 == blocks);
            team.barrier();
        }
        finish(team);
    }

  private:
    static constexpr index_t L = Layout<T>::L;
    static constexpr index_t width = Layout<T>::panel_width;
    static constexpr index_t slice = Layout<T>::slice_width;

    index_t order(index_t r) const noexcept {
        return schedule_.order[static_cast<std::size_t>(r)];
    }
    index_t position(index_t row) const noexcept {
        return schedule_.position[static_cast<std::size_t>(row)];
    }

    /// The gradients that arrive at the ends; zeros in dx past them.
    void begin(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        const auto load = [&](const T* state, index_t b, T* to, index_t size) {
            std::fill_n(to, size, T(0));
            if (state != nullptr) std::copy_n(state + b * hidden_, hidden_, to);
        };
        const index_t time = call_.sizes.time;
        for (index_t r = first; r < last; ++r) {
            const index_t b = order(r);
            load(call_.dh_last, b, dh_ + r * state_width_, state_width_);
            load(call_.dc_last, b, dc_ + r * padded_, padded_);
            const index_t length = schedule_.length[static_cast<std::size_t>(r)];
            std::fill_n(call_.dx + (b * time + length) * input_,
                        (time - length) * input_, T(0));
        }
        if (schedule_.steps == 0 && team.index == 0) {
            std::fill_n(dweight_ih_, gates_width_ * input_, T(0));
            std::fill_n(dweight_hh_, gates_width_ * hidden_, T(0));
            std::fill_n(dbias_, gates_width_, T(0));
        }
    }

    /// This thread's slices of dh, which are whole panels of units.
    Team::Share column_slices(const Team& team) const noexcept {
        const index_t n = Layout<T>::column_slices(hidden_);
        return by_rows_ ? Team::Share{0, n} : team.share(n);
    }

    Team::Share unit_panels(const Team& team) const noexcept {
        constexpr index_t each = Layout<T>::units_per_slice;
        const auto [first, last] = column_slices(team);
        const index_t n = Layout<T>::unit_panels(hidden_);
        return {std::min(first * each, n), std::min(last * each, n)};
    }

    /// f(first, last) over this thread's sorted rows of step t.
    template <class F>
    void for_each_rows(const Team& team, index_t t, F&& f) const noexcept {
        const index_t active = schedule_.active(t);
        if (!by_rows_) return f(index_t{0}, active);
        detail::for_each_own_rows(team, schedule_.active(0), active, f);
    }

    /// Gradients of the pre-activations of step t, and h_t for the step after it.
    void gate_gradients(const Team& team, index_t t, index_t t0,
                        index_t t1) const noexcept {
        const auto units = unit_panels(team);
        const index_t needed = t + 1 < t1 ? schedule_.active(t + 1) : 0;
        for_each_rows(team, t, [&](index_t first, index_t last) {
            for (index_t r = first; r < last; ++r) {
                T* const h = r < needed ? h_before_ + block_row(t + 1, r, t0) * padded_
                                        : nullptr;
                for (index_t p = units.first; p < units.last; ++p) {
                    gate_gradient(t, r, p, block_row(t, r, t0), h);
                }
            }
        });
    }

    /// The L units of panel p of sorted row r; h [Hs], or null where nobody needs it.
    FASTNOTES_INLINE void gate_gradient(index_t t, index_t r, index_t p, index_t row,
                                        T* h) const noexcept {
        const index_t packed = schedule_.first(t) + r;
        const T* const gates = call_.cache.gates + packed * gates_width_ + p * width;
        const auto i = simd::load<V<T>>(gates), f = simd::load<V<T>>(gates + L);
        const auto g = simd::load<V<T>>(gates + 2 * L);
        const auto o = simd::load<V<T>>(gates + 3 * L);
        const auto c_before = simd::load<V<T>>(cell_before(t, r) + p * L);
        const auto c = simd::load<V<T>>(cell_before(t + 1, r) + p * L);
        const index_t units = std::min(L, hidden_ - p * L);
        const T* const dh_in = call_.dh + position(packed) * hidden_ + p * L;
        const auto dh = simd::load<V<T>>(dh_ + r * state_width_ + p * L) +
                        detail::load_partial<T>(dh_in, units);
        const auto tanh_c = simd::tanh(c);
        const V<T> one(T(1));
        const auto dc = simd::fma(dh * o, one - tanh_c * tanh_c,
                                  simd::load<V<T>>(dc_ + r * padded_ + p * L));
        const auto slope =
            call_.candidate == Candidate::tanh ? one - g * g : g * (one - g);
        // Padding units stay zero whatever x was: they are summed over with the others.
        const auto real = simd::first_lanes<V<T>>(static_cast<std::size_t>(units));
        const auto put = [&](index_t gate, V<T> value) {
            simd::store(da_ + row * da_stride_ + p * width + gate * L,
                        select(real, value, V<T>(T(0))));
        };
        put(0, dc * g * (i * (one - i)));
        put(1, dc * c_before * (f * (one - f)));
        put(2, dc * i * slope);
        put(3, dh * tanh_c * (o * (one - o)));
        simd::store(dc_ + r * padded_ + p * L, dc * f);
        if (h != nullptr) simd::store(h + p * L, o * tanh_c);
    }

    /// dh of step t - 1 (or of h0) = gradients of the gates of step t times weight_hh.
    void state_gradients(const Team& team, index_t t, index_t t0) const noexcept {
        const SliceProduct<T> product{da_ + block_row(t, 0, t0) * da_stride_,
                                      da_stride_,
                                      call_.weight_hh,
                                      gates_width_,
                                      nullptr,
                                      0,
                                      dh_,
                                      state_width_};
        const auto [first, last] = column_slices(team);
        const index_t n = by_rows_ ? 0 : schedule_.active(t);
        detail::multiply(product, n, first, last,
                         [&](auto f) { for_each_rows(team, t, f); });
    }

    /// h before the block's first step, which no step of the block has left.
    void first_h_before(const Team& team, index_t t0) const noexcept {
        const auto units = unit_panels(team);
        for_each_rows(team, t0, [&](index_t first, index_t last) {
            for (index_t r = first; r < last; ++r) {
                T* const h = h_before_ + r * padded_;
                for (index_t p = units.first; p < units.last; ++p) {
                    simd::store(h + p * L, output_before(t0, r, p));
                }
            }
        });
    }

    /// h_(t-1) of the units of panel p of sorted row r.
    V<T> output_before(index_t t, index_t r, index_t p) const noexcept {
        if (t == 0) return simd::load<V<T>>(call_.cache.h0 + r * padded_ + p * L);
        const index_t packed = schedule_.first(t - 1) + r;
        const T* const gates = call_.cache.gates + packed * gates_width_ + p * width;
        return simd::load<V<T>>(gates + 3 * L) *
               simd::tanh(simd::load<V<T>>(cell_before(t, r) + p * L));
    }

    /// dx of the block, slice by slice through scratch of this thread.
    void input_gradients(const Team& team, index_t t0, index_t t1) const noexcept {
        const index_t start = schedule_.first(t0);
        const auto [first, last] = team.share(schedule_.first(t1) - start);
        const index_t n = last - first;
        T* const sums = own_ + team.index * own_size_;
        SliceProduct<T> product{da_ + first * da_stride_,
                                da_stride_,
                                call_.weight_ih,
                                gates_width_,
                                nullptr,
                                0,
                                sums,
                                slice};
        for (index_t q = 0; q < Layout<T>::column_slices(input_); ++q) {
            detail::multiply(product, n, 0, 1, [&](auto f) { f(index_t{0}, n); });
            product.weight += gates_width_ * slice;
            const index_t count = std::min(slice, input_ - q * slice);
            for (index_t r = 0; r < n; ++r) {
                const index_t at = position(start + first + r) * input_ + q * slice;
                for (index_t k = 0; k < count; k += L) {
                    const auto value = simd::load<V<T>>(sums + r * slice + k);
                    detail::store_partial<T>(call_.dx + at + k, value, count - k);
                }
            }
        }
    }

    /// x and h_(t-1) of the block for weight_gradients: [columns / 6][n][6], the last
    /// tile narrower.
    void pack_columns(const Team& team, index_t t0, index_t t1) const noexcept {
        const index_t start = schedule_.first(t0), n = schedule_.first(t1) - start;
        const auto pack = [&](const T* from, index_t stride, index_t columns, T* to) {
            constexpr index_t height = nn::tile_rows;
            const auto [first, last] = team.share(ceil_div(columns, height));
            for (index_t row = 0; row < n; ++row) {
                for (index_t tile = first; tile < last; ++tile) {
                    const index_t k = tile * height;
                    const index_t m = std::min(height, columns - k);
                    std::copy_n(from + row * stride + k, m, to + k * n + row * m);
                }
            }
        };
        const index_t x_stride = lstm_row_stride<T>(input_);
        pack(call_.cache.x + start * x_stride, x_stride, input_, x_columns_);
        pack(h_before_, padded_, hidden_, h_columns_);
    }

    /// The block's part of dweight and dbias, for this thread's slices of the gates.
    void weight_gradients(const Team& team, index_t t0, index_t t1,
                          bool first_block) const noexcept {
        const index_t n = schedule_.first(t1) - schedule_.first(t0);
        T* const da = own_ + team.index * own_size_;
        const auto [first, last] = team.share(gates_width_ / slice);
        for (index_t s = first; s < last; ++s) {
            V<T> total[nn::panel_vectors];
            for (auto& sum : total) sum = V<T>(T(0));
            for (index_t row = 0; row < n; ++row) {
                for (index_t v = 0; v < nn::panel_vectors; ++v) {
                    const auto value =
                        simd::load<V<T>>(da_ + row * da_stride_ + s * slice + v * L);
                    total[v] += value;
                    simd::store(da + row * slice + v * L, value);
                }
            }
            for (index_t v = 0; v < nn::panel_vectors; ++v) {
                T* const at = dbias_ + s * slice + v * L;
                simd::store(at,
                            first_block ? total[v] : simd::load<V<T>>(at) + total[v]);
            }
            accumulate(x_columns_, input_, da, n, dweight_ih_ + s * input_ * slice,
                       first_block);
            accumulate(h_columns_, hidden_, da, n, dweight_hh_ + s * hidden_ * slice,
                       first_block);
        }
    }

    /// out [columns, S] (+)= left, as pack_columns leaves it, times da [n, S].
    void accumulate(const T* left, index_t columns, const T* da, index_t n, T* out,
                    bool overwrite) const noexcept {
        for (index_t k = 0; k < columns; k += nn::tile_rows) {
            const index_t m = std::min(nn::tile_rows, columns - k);
            nn::with_constant<nn::tile_rows>(m, [&](auto rows) {
                constexpr index_t R = decltype(rows)::value;
                const nn::Store<T, nn::Identity> store{out + k * slice, slice, slice,
                                                       !overwrite, nn::Identity()};
                nn::micro_tile<T, R, nn::panel_vectors>(
                    nn::PackedRows<T, R>{left + k * n}, nn::Panel<T>{da, slice}, n,
                    nn::StartAtZero(), store);
            });
        }
    }

    /// Initial states' gradients in the caller's order; weights' in the caller's
    /// layout.
    void finish(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        for (index_t r = first; r < last; ++r) {
            const index_t b = order(r);
            std::copy_n(dh_ + r * state_width_, hidden_, call_.dh0 + b * hidden_);
            std::copy_n(dc_ + r * padded_, hidden_, call_.dc0 + b * hidden_);
        }
        const auto [first_panel, last_panel] =
            team.share(Layout<T>::unit_panels(hidden_));
        for (index_t p = first_panel; p < last_panel; ++p) {
            unpack(p, input_, dweight_ih_, call_.dweight_ih);
            unpack(p, hidden_, dweight_hh_, call_.dweight_hh);
            unpack(p, 1, dbias_, call_.dbias);
        }
    }

    /// Panel p of [P, 4L / S, columns, S] into rows of [4H, columns], a few lines at a
    /// time.
    void unpack(index_t p, index_t columns, const T* packed, T* out) const noexcept {
        const T* const panel = packed + p * columns * width;
        const index_t units = std::min(L, hidden_ - p * L);
        for (index_t k0 = 0; k0 < columns; k0 += L) {
            const index_t k1 = std::min(k0 + L, columns);
            for (index_t gate = 0; gate < n_gates; ++gate) {
                const T* const from =
                    panel + gate * L / slice * columns * slice + gate * L % slice;
                for (index_t u = 0; u < units; ++u) {
                    T* const row = out + (gate * hidden_ + p * L + u) * columns;
                    for (index_t k = k0; k < k1; ++k) row[k] = from[k * slice + u];
                }
            }
        }
    }

    index_t block_row(index_t t, index_t r, index_t t0) const noexcept {
        return schedule_.first(t) - schedule_.first(t0) + r;
    }
    const T* cell_before(index_t t, index_t r) const noexcept {
        const index_t row = t == 0 ? r : batch_ + schedule_.first(t - 1) + r;
        return call_.cache.c + row * padded_;
    }

    const LSTMBackward<T>& call_;
    const Schedule& schedule_;
    const bool by_rows_;
    const index_t batch_, input_, hidden_, padded_, gates_width_, da_stride_;
    const index_t state_width_, block_;
    T *da_, *h_before_, *x_columns_, *h_columns_, *dh_, *dc_, *own_;
    T *dweight_ih_, *dweight_hh_, *dbias_;
    index_t own_size_, size_;
};

} // namespace

template <class T>
index_t lstm_backward_scratch(const LSTMSizes& sizes, const Schedule& schedule,
                              int n_threads) {
    LSTMBackward<T> call{};
    call.sizes = sizes;
    return BackwardRun<T>(call, schedule, false, n_threads).scratch_size();
}

template <class T>
void lstm_backward(const LSTMBackward<T>& call, const Schedule& schedule,
                   int n_threads) noexcept {
    const index_t shares = Layout<T>::column_slices(call.sizes.hidden);
    const auto split = detail::choose_split(call.sizes, schedule, n_threads, shares);
    const BackwardRun<T> run(call, schedule, split.by_rows, n_threads);
    parallel_region(split.n_threads, run);
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t lstm_backward_scratch<T>(const LSTMSizes&, const Schedule&, int); \
    template void lstm_backward<T>(const LSTMBackward<T>&, const Schedule&,            \
                                   int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
