/// Backward: a block of steps at a time, from the last block to the first.
///
/// Within a block the recurrence leaves the gradients of its gates in scratch, where
/// they are still in cache when the weight gradients and dx take them up. The cache of
/// the forward pass is only read: h is o * tanh(c) again, rather than stored, where it
/// is that.
#include "nn/gemm_parts.hpp"
#include "recurrent/lstm_cell.hpp"
#include "recurrent/rnn_cell.hpp"
#include "recurrent/tile.hpp"

namespace fastnotes::recurrent {
namespace {

using detail::Layout;
using detail::SliceProduct;

/// Packed rows summed in one chain before they join the total.
constexpr index_t block_rows = 256;

index_t block_steps(const Schedule& schedule) {
    const index_t rows = std::max<index_t>(1, schedule.active(0));
    return std::max<index_t>(1, block_rows / rows);
}

template <class Cell> class BackwardRun {
    using T = typename Cell::Value;
    using V = simd::Vec<T>;
    using Arithmetic = detail::Arithmetic<Cell>;

  public:
    BackwardRun(const Backward<T>& call, const Schedule& schedule, bool by_rows,
                int n_threads)
        : call_(call), schedule_(schedule), by_rows_(by_rows), batch_(call.sizes.batch),
          input_(call.sizes.input), hidden_(call.sizes.hidden),
          padded_(Layout<Cell>::padded(hidden_)),
          gates_width_(Layout<Cell>::gates(hidden_)),
          da_stride_(row_stride<T>(gates_width_)),
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
        dc_ = take(Cell::has_c ? batch_ * padded_ : 0);
        x_columns_ = take(rows * input_);
        h_columns_ = take(rows * hidden_);
        own_size_ = detail::slice<T>(rows * slice);
        own_ = take(own_size_ * n_threads);
        dweight_ih_ = take(gates_width_ * input_);
        dweight_hh_ = take(gates_width_ * hidden_);
        dbias_ = take(gates_width_);
        dpeephole_ = take(Cell::has_c ? 3 * padded_ : 0);
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
            if constexpr (Cell::extended) {
                if (call_.parts.peephole != nullptr)
                    peephole_gradients(team, t0, t1, block + 1 == blocks);
            }
            team.barrier();
        }
        finish(team);
    }

  private:
    static constexpr index_t L = Layout<Cell>::L;
    static constexpr index_t units = Layout<Cell>::units;
    static constexpr index_t width = Layout<Cell>::panel_width;
    static constexpr index_t slice = detail::slice_width<T>;

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
            if constexpr (Cell::has_c)
                load(call_.dc_last, b, dc_ + r * padded_, padded_);
            const index_t length = schedule_.length[static_cast<std::size_t>(r)];
            std::fill_n(call_.dx + (b * time + length) * input_,
                        (time - length) * input_, T(0));
        }
        if (schedule_.steps == 0 && team.index == 0) {
            std::fill_n(dweight_ih_, gates_width_ * input_, T(0));
            std::fill_n(dweight_hh_, gates_width_ * hidden_, T(0));
            std::fill_n(dbias_, gates_width_, T(0));
            std::fill_n(dpeephole_, Cell::has_c ? 3 * padded_ : 0, T(0));
        }
    }

    /// This thread's slices of dh, which are whole panels of units.
    Team::Share column_slices(const Team& team) const noexcept {
        const index_t n = Layout<Cell>::column_slices(hidden_);
        return by_rows_ ? Team::Share{0, n} : team.share(n);
    }

    Team::Share unit_panels(const Team& team) const noexcept {
        constexpr index_t each = Layout<Cell>::panels_per_slice;
        const auto [first, last] = column_slices(team);
        const index_t n = Layout<Cell>::unit_panels(hidden_);
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
        const auto panels = unit_panels(team);
        const index_t needed = t + 1 < t1 ? schedule_.active(t + 1) : 0;
        for_each_rows(team, t, [&](index_t first, index_t last) {
            for (index_t r = first; r < last; ++r) {
                T* const h = r < needed ? h_before_ + block_row(t + 1, r, t0) * padded_
                                        : nullptr;
                for (index_t p = panels.first; p < panels.last; ++p) {
                    gate_gradient(t, r, p, block_row(t, r, t0), h);
                }
            }
        });
    }

    /// Panel p of sorted row r; h [Hs], or null where nobody needs it.
    FASTNOTES_INLINE void gate_gradient(index_t t, index_t r, index_t p, index_t row,
                                        T* h) const noexcept {
        const index_t packed = schedule_.first(t) + r;
        for (index_t v = 0; v < Layout<Cell>::vectors; ++v) {
            const index_t unit = p * units + v * L, real_units = hidden_ - unit;
            V c_before(T(0)), c(T(0)), dc(T(0));
            if constexpr (Cell::has_c) {
                c_before = simd::load<V>(cell_before(t, r) + unit);
                c = simd::load<V>(cell_before(t + 1, r) + unit);
                dc = simd::load<V>(dc_ + r * padded_ + unit);
            }
            const T* const dh_in = call_.dh + position(packed) * hidden_ + unit;
            V dh = simd::load<V>(dh_ + r * state_width_ + unit) +
                   detail::load_partial<T>(dh_in, real_units);
            const T* const gates =
                call_.cache.gates + packed * gates_width_ + p * width + v * L;
            [[maybe_unused]] V dc_stays(T(0));
            if constexpr (Cell::extended) {
                c = Arithmetic::cell(gates, units, c_before);
                dc_stays = zone_out(packed, r, unit, dh, dc);
            }
            const typename Arithmetic::Backward cell(gates, units, c_before, c, dh, dc,
                                                     call_.parts, unit);
            // Padding units stay zero whatever x was: they are summed over with the
            // others.
            const auto real = simd::first_lanes<V>(detail::lanes_of(real_units));
            T* const da = da_ + row * da_stride_ + p * width + v * L;
            for (index_t gate = 0; gate < Cell::gates; ++gate) {
                simd::store(da + gate * units, select(real, cell.da[gate], V(T(0))));
            }
            if constexpr (Cell::has_c) {
                V dc_before = cell.dc_before;
                if constexpr (Cell::extended) dc_before += dc_stays;
                simd::store(dc_ + r * padded_ + unit, dc_before);
            }
            if (h != nullptr) simd::store(h + unit, h_after(packed, unit, cell.h));
        }
    }

    /// Leaves of dh and dc what goes through the step. Of the rest, what stays of dh is
    /// where state_gradients goes on from, and that of dc is returned.
    FASTNOTES_INLINE V zone_out(index_t packed, index_t r, index_t unit, V& dh,
                                V& dc) const noexcept {
        const index_t at = position(packed) * hidden_ + unit, n = hidden_ - unit;
        const auto stay_c = detail::part_that_stays(call_.parts.zoneout_c, at, n);
        const auto stay_h = detail::part_that_stays(call_.parts.zoneout_h, at, n);
        const V one(T(1)), dc_stays = stay_c * dc;
        simd::store(dh_ + r * state_width_ + unit, stay_h * dh);
        dh = (one - stay_h) * dh;
        dc = (one - stay_c) * dc;
        return dc_stays;
    }

    /// h of a vector of units of a packed row, which without zoneout is `h`.
    FASTNOTES_INLINE V h_after(index_t packed, index_t unit, V h) const noexcept {
        if (!Cell::extended || call_.cache.h == nullptr) return h;
        return simd::load<V>(call_.cache.h + packed * padded_ + unit);
    }

    /// dh of step t - 1 (or of h0) = gradients of the gates of step t times weight_hh,
    /// after what stays of dh.
    void state_gradients(const Team& team, index_t t, index_t t0) const noexcept {
        const bool goes_on = Cell::extended && call_.parts.zoneout_h.any();
        const SliceProduct<T> product{da_ + block_row(t, 0, t0) * da_stride_,
                                      da_stride_,
                                      call_.weight_hh,
                                      gates_width_,
                                      goes_on ? dh_ : nullptr,
                                      state_width_,
                                      dh_,
                                      state_width_};
        const auto [first, last] = column_slices(team);
        const index_t n = by_rows_ ? 0 : schedule_.active(t);
        detail::multiply(product, n, first, last,
                         [&](auto f) { for_each_rows(team, t, f); });
    }

    /// h before the block's first step, which no step of the block has left.
    void first_h_before(const Team& team, index_t t0) const noexcept {
        const auto panels = unit_panels(team);
        for_each_rows(team, t0, [&](index_t first, index_t last) {
            for (index_t r = first; r < last; ++r) {
                T* const h = h_before_ + r * padded_;
                const index_t end = panels.last * units;
                for (index_t unit = panels.first * units; unit < end; unit += L) {
                    simd::store(h + unit, output_before(t0, r, unit));
                }
            }
        });
    }

    /// h_(t-1) of a vector of units of sorted row r.
    V output_before(index_t t, index_t r, index_t unit) const noexcept {
        if (t == 0) return simd::load<V>(call_.cache.h0 + r * padded_ + unit);
        const index_t packed = schedule_.first(t - 1) + r;
        V c(T(0));
        if constexpr (Cell::has_c) c = simd::load<V>(cell_before(t, r) + unit);
        const auto h = Arithmetic::output(
            call_.cache.gates + packed * gates_width_ + place(unit), units, c);
        return h_after(packed, unit, h);
    }

    /// Where a row of gates has a unit's first gate; the others follow `units` apart.
    static index_t place(index_t unit) { return unit / units * width + unit % units; }

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
        for (index_t q = 0; q < Layout<Cell>::column_slices(input_); ++q) {
            detail::multiply(product, n, 0, 1, [&](auto f) { f(index_t{0}, n); });
            product.weight += gates_width_ * slice;
            const index_t count = std::min(slice, input_ - q * slice);
            for (index_t r = 0; r < n; ++r) {
                const index_t at = position(start + first + r) * input_ + q * slice;
                for (index_t k = 0; k < count; k += L) {
                    const auto value = simd::load<V>(sums + r * slice + k);
                    detail::store_partial<T>(call_.dx + at + k, value, count - k);
                }
            }
        }
    }

    /// x and h_(t-1) of the block for weight_gradients, as tiles of packed rows.
    void pack_columns(const Team& team, index_t t0, index_t t1) const noexcept {
        const index_t start = schedule_.first(t0), n = schedule_.first(t1) - start;
        const auto pack = [&](const T* from, index_t stride, index_t columns, T* to) {
            const nn::RowTiles tiles(columns);
            const auto [first, last] = team.share(tiles.count);
            nn::pack_rows_transposed(from, stride, n, tiles, first, last, to);
        };
        const index_t x_stride = row_stride<T>(input_);
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
            V total[nn::panel_vectors];
            for (auto& sum : total) sum = V(T(0));
            for (index_t row = 0; row < n; ++row) {
                for (index_t v = 0; v < nn::panel_vectors; ++v) {
                    const auto value =
                        simd::load<V>(da_ + row * da_stride_ + s * slice + v * L);
                    total[v] += value;
                    simd::store(da + row * slice + v * L, value);
                }
            }
            for (index_t v = 0; v < nn::panel_vectors; ++v) {
                T* const at = dbias_ + s * slice + v * L;
                simd::store(at, first_block ? total[v] : simd::load<V>(at) + total[v]);
            }
            accumulate(x_columns_, input_, da, n, dweight_ih_ + s * input_ * slice,
                       first_block);
            accumulate(h_columns_, hidden_, da, n, dweight_hh_ + s * hidden_ * slice,
                       first_block);
        }
    }

    /// The block's part of dpeephole, for this thread's vectors of units.
    void peephole_gradients(const Team& team, index_t t0, index_t t1,
                            bool first_block) const noexcept {
        const auto [first, last] = team.share(padded_ / L);
        for (index_t unit = first * L; unit < last * L; unit += L) {
            V total[3] = {V(T(0)), V(T(0)), V(T(0))};
            for (index_t t = t0; t < t1; ++t) {
                for (index_t r = 0; r < schedule_.active(t); ++r) {
                    const T* const da =
                        da_ + block_row(t, r, t0) * da_stride_ + place(unit);
                    const T* const gates = call_.cache.gates +
                                           (schedule_.first(t) + r) * gates_width_ +
                                           place(unit);
                    const auto c_before = simd::load<V>(cell_before(t, r) + unit);
                    const auto c = Arithmetic::cell(gates, units, c_before);
                    total[0] = simd::fma(simd::load<V>(da), c_before, total[0]);
                    total[1] = simd::fma(simd::load<V>(da + units), c_before, total[1]);
                    total[2] = simd::fma(simd::load<V>(da + 3 * units), c, total[2]);
                }
            }
            for (index_t gate = 0; gate < 3; ++gate) {
                T* const at = dpeephole_ + 3 * unit + gate * L;
                simd::store(at, first_block ? total[gate]
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

    /// Initial states' gradients in the caller's order; weights' in the caller's
    /// layout.
    void finish(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        for (index_t r = first; r < last; ++r) {
            const index_t b = order(r);
            std::copy_n(dh_ + r * state_width_, hidden_, call_.dh0 + b * hidden_);
            if constexpr (Cell::has_c)
                std::copy_n(dc_ + r * padded_, hidden_, call_.dc0 + b * hidden_);
        }
        const auto [first_panel, last_panel] =
            team.share(Layout<Cell>::unit_panels(hidden_));
        for (index_t p = first_panel; p < last_panel; ++p) {
            unpack(p, input_, dweight_ih_, call_.dweight_ih);
            unpack(p, hidden_, dweight_hh_, call_.dweight_hh);
            unpack(p, 1, dbias_, call_.dbias);
        }
        const bool peeps = call_.dpeephole != nullptr && team.index == 0;
        const index_t n = peeps ? hidden_ : 0;
        for (index_t unit = 0; unit < n; ++unit) {
            for (index_t gate = 0; gate < 3; ++gate) {
                call_.dpeephole[gate * hidden_ + unit] =
                    dpeephole_[(unit / L * 3 + gate) * L + unit % L];
            }
        }
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

    index_t block_row(index_t t, index_t r, index_t t0) const noexcept {
        return schedule_.first(t) - schedule_.first(t0) + r;
    }
    const T* cell_before(index_t t, index_t r) const noexcept {
        const index_t row = t == 0 ? r : batch_ + schedule_.first(t - 1) + r;
        return call_.cache.c + row * padded_;
    }

    const Backward<T>& call_;
    const Schedule& schedule_;
    const bool by_rows_;
    const index_t batch_, input_, hidden_, padded_, gates_width_, da_stride_;
    const index_t state_width_, block_;
    T *da_, *h_before_, *x_columns_, *h_columns_, *dh_, *dc_, *own_;
    T *dweight_ih_, *dweight_hh_, *dbias_, *dpeephole_;
    index_t own_size_, size_;
};

} // namespace

template <class Cell>
index_t backward_scratch(const Sizes& sizes, const Schedule& schedule, int n_threads) {
    Backward<typename Cell::Value> call{};
    call.sizes = sizes;
    return BackwardRun<Cell>(call, schedule, false, n_threads).scratch_size();
}

template <class Cell>
void backward(const Backward<typename Cell::Value>& call, const Schedule& schedule,
              int n_threads) noexcept {
    const index_t shares = Layout<Cell>::column_slices(call.sizes.hidden);
    const auto split =
        detail::choose_split(call.sizes, Cell::gates, schedule, n_threads, shares);
    detail::with_variant<Cell>(call.parts, [&](auto variant) {
        const BackwardRun<decltype(variant)> run(call, schedule, split.by_rows,
                                                 n_threads);
        parallel_region(split.n_threads, run);
    });
}

#define FASTNOTES_INSTANTIATE(Cell)                                                    \
    template index_t backward_scratch<Cell>(const Sizes&, const Schedule&, int);       \
    template void backward<Cell>(const Backward<Cell::Value>&, const Schedule&,        \
                                 int) noexcept;
FASTNOTES_INSTANTIATE(LSTM<float>)
FASTNOTES_INSTANTIATE(LSTM<double>)
FASTNOTES_INSTANTIATE(RNN<float>)
FASTNOTES_INSTANTIATE(RNN<double>)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
