/// Backward: a block of steps at a time, from the last block to the first.
///
/// Within a block the recurrence leaves the gradients of its gates in scratch, where
/// they are still in cache when the weight gradients and dx take them up. The cache of
/// the forward pass is only read: h is o * tanh(c) again, rather than stored, where it
/// is that.
#include "recurrent/layer_norm.hpp"
#include "recurrent/weight_gradients.hpp"

namespace fastnotes::recurrent {
namespace {

using detail::Layout;
using detail::SliceProduct;

index_t block_steps(const Schedule& schedule) {
    const index_t rows = std::max<index_t>(1, schedule.active(0));
    return std::max<index_t>(1, detail::block_rows / rows);
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
          output_(call.sizes.output()), projected_(call.sizes.projection > 0),
          padded_(Layout<Cell>::padded(hidden_)),
          output_width_(Layout<Cell>::output(call.sizes)),
          gates_width_(Layout<Cell>::gates(hidden_)),
          da_stride_(row_stride<T>(gates_width_)),
          dh_width_(row_stride<T>(round_up(output_, slice))),
          dm_width_(row_stride<T>(round_up(hidden_, slice))),
          block_(block_steps(schedule)), take_(call.scratch),
          rows_(std::min(block_, std::max<index_t>(1, schedule.steps)) *
                schedule.active(0)),
          da_(take_(rows_ * da_stride_)), h_before_(take_(rows_ * output_width_)),
          m_(take_(projected_ ? rows_ * padded_ : 0)),
          through_(take_(projected_ ? rows_ * output_width_ : 0)),
          dh_(take_(batch_ * dh_width_)),
          dm_(take_(projected_ ? batch_ * dm_width_ : 0)),
          dc_(take_(Cell::has_c ? batch_ * padded_ : 0)),
          da_ih_(Cell::normalised ? take_(rows_ * da_stride_) : da_),
          da_hh_(Cell::normalised ? take_(rows_ * da_stride_) : da_),
          dz_(take_(Cell::normalised ? rows_ * padded_ : 0)),
          c_hat_(take_(Cell::normalised ? rows_ * padded_ : 0)),
          weights_(call, schedule, rows_, n_threads, take_) {}

    index_t scratch_size() const { return take_.size(); }

    void operator()(Team team) const noexcept {
        begin(team);
        if (!team.goes_on()) return;
        const index_t blocks = ceil_div(schedule_.steps, block_);
        for (index_t block = blocks; block-- > 0;) {
            const index_t t0 = block * block_;
            const index_t t1 = std::min(t0 + block_, schedule_.steps);
            const detail::Block<T> all{t0,         t1,        block + 1 == blocks,
                                       da_,        da_ih_,    da_hh_,
                                       da_stride_, h_before_, m_,
                                       through_,   dz_,       c_hat_};
            for (index_t t = t1; t-- > t0;) {
                if constexpr (Cell::extended) {
                    if (projected_) project_back(team, t, t0);
                }
                gate_gradients(team, t, t0, t1);
                if (!by_rows_ && !team.goes_on()) return;
                state_gradients(team, t, t0);
            }
            if (Cell::extended && call_.cache.h != nullptr) {
                load_h_before(team, t0, t1);
            } else {
                first_h_before(team, t0);
            }
            if (!team.goes_on()) return;
            weights_.pack_columns(team, all);
            input_gradients(team, t0, t1);
            if (!team.goes_on()) return;
            weights_.add(team, all);
            if (!team.goes_on()) return;
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
        const auto load = [&](const T* state, index_t b, index_t columns, T* to,
                              index_t size) {
            std::fill_n(to, size, T(0));
            if (state != nullptr) std::copy_n(state + b * columns, columns, to);
        };
        const index_t time = call_.sizes.time;
        for (index_t r = first; r < last; ++r) {
            const index_t b = order(r);
            load(call_.dh_last, b, output_, dh_ + r * dh_width_, dh_width_);
            if constexpr (Cell::has_c)
                load(call_.dc_last, b, hidden_, dc_ + r * padded_, padded_);
            const index_t length = schedule_.length[static_cast<std::size_t>(r)];
            std::fill_n(call_.dx + (b * time + length) * input_,
                        (time - length) * input_, T(0));
        }
        if (schedule_.steps == 0 && team.index == 0) weights_.clear();
    }

    /// This thread's slices of something, like dh, of so many columns.
    Team::Share column_slices(const Team& team, index_t columns) const noexcept {
        const index_t n = Layout<Cell>::column_slices(columns);
        return by_rows_ ? Team::Share{0, n} : team.share(n);
    }

    /// This thread's panels of units: its slices of them, whole.
    Team::Share unit_panels(const Team& team) const noexcept {
        constexpr index_t each = Layout<Cell>::panels_per_slice;
        const auto [first, last] = column_slices(team, hidden_);
        const index_t n = Layout<Cell>::unit_panels(hidden_);
        return {std::min(first * each, n), std::min(last * each, n)};
    }

    /// f(first, last) over this thread's sorted rows of step t.
    template <class F>
    void for_each_rows(const Team& team, index_t t, F&& f) const noexcept {
        const index_t active = schedule_.active(t);
        if (!by_rows_) return f(index_t{0}, active);
        detail::for_each_own_rows(team, schedule_, schedule_.active(0), active, f);
    }

    /// Gradients of the pre-activations of step t; h_t for the step after it, or m_t.
    void gate_gradients(const Team& team, index_t t, index_t t0,
                        index_t t1) const noexcept {
        const auto panels = unit_panels(team);
        const index_t needed = t + 1 < t1 ? schedule_.active(t + 1) : 0;
        for_each_rows(team, t, [&](index_t first, index_t last) {
            for (index_t r = first; r < last; ++r) {
                T* h = nullptr;
                if (Cell::extended && projected_) {
                    h = m_ + block_row(t, r, t0) * padded_;
                } else if (r < needed && call_.cache.h == nullptr) {
                    h = h_before_ + block_row(t + 1, r, t0) * padded_;
                }
                if constexpr (Cell::normalised) {
                    row_gradients(t, r, block_row(t, r, t0), h);
                    continue;
                }
                for (index_t p = panels.first; p < panels.last; ++p) {
                    gate_gradient(t, r, p, block_row(t, r, t0), h);
                }
            }
        });
    }

    /// Panel p of sorted row r; h takes o * tanh(c) [Hs], or is null: nobody needs it.
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
            const V dh = Cell::extended && projected_
                             ? simd::load<V>(dm_ + r * dm_width_ + unit)
                             : through_step(r, packed, unit);
            const T* const gates =
                call_.cache.gates + packed * gates_width_ + p * width + v * L;
            [[maybe_unused]] V dc_stays(T(0));
            if constexpr (Cell::extended) {
                c = Arithmetic::cell(gates, units, c_before);
                const auto stays = detail::part_that_stays(
                    call_.parts.zoneout_c, position(packed) * hidden_ + unit,
                    real_units);
                dc_stays = stays * dc;
                dc = (V(T(1)) - stays) * dc;
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
            if (h != nullptr) simd::store(h + unit, cell.h);
        }
    }

    /// Sorted row r, whole: its moments are those of all its units.
    void row_gradients(index_t t, index_t r, index_t row, T* m) const noexcept {
        const index_t packed = schedule_.first(t) + r, gates = packed * gates_width_;
        const index_t da = row * da_stride_, unit_row = row * padded_;
        const detail::LayerNormRows<T> rows{call_.parts, hidden_};
        const typename detail::LayerNormRows<T>::Kept kept{
            call_.cache.gates + gates, call_.cache.ih_hat + gates,
            call_.cache.hh_hat + gates, call_.cache.moments + 4 * packed,
            cell_before(t, r)};
        const typename detail::LayerNormRows<T>::Left left{
            da_ + da, da_ih_ + da, da_hh_ + da, dz_ + unit_row, c_hat_ + unit_row, m};
        rows.through_outputs(kept, left, [&](index_t unit) {
            return projected_ ? simd::load<V>(dm_ + r * dm_width_ + unit)
                              : through_step(r, packed, unit);
        });
        rows.through_cells(kept, left, dc_ + r * padded_, [&](index_t unit) {
            return detail::part_that_stays(call_.parts.zoneout_c,
                                           position(packed) * hidden_ + unit,
                                           hidden_ - unit);
        });
        rows.through_sums(kept, left);
    }

    /// What of dh goes through the step; dh_ keeps what stays, from which
    /// state_gradients goes on.
    FASTNOTES_INLINE V through_step(index_t r, index_t packed,
                                    index_t unit) const noexcept {
        const index_t at = position(packed) * output_ + unit, n = output_ - unit;
        T* const carried = dh_ + r * dh_width_ + unit;
        const V dh = simd::load<V>(carried) + detail::load_partial<T>(call_.dh + at, n);
        if constexpr (Cell::extended) {
            const auto stays = detail::part_that_stays(call_.parts.zoneout_h, at, n);
            simd::store(carried, stays * dh);
            return (V(T(1)) - stays) * dh;
        }
        return dh;
    }

    /// dm of step t = what goes through it of dh times weight_hr.
    void project_back(const Team& team, index_t t, index_t t0) const noexcept {
        const auto outputs = column_slices(team, output_);
        const index_t start = schedule_.first(t);
        T* const through = through_ + block_row(t, 0, t0) * output_width_;
        const auto for_rows = [&](auto f) { for_each_rows(team, t, f); };
        for_rows([&](index_t from, index_t to) {
            for (index_t r = from; r < to; ++r) {
                for (index_t k = outputs.first * slice; k < outputs.last * slice;
                     k += L)
                    simd::store(through + r * output_width_ + k,
                                through_step(r, start + r, k));
            }
        });
        if (!by_rows_) team.barrier();
        const SliceProduct<T> product{
            {through, output_width_, call_.parts.weight_hr, output_},
            nullptr,
            0,
            dm_,
            dm_width_};
        const auto own = column_slices(team, hidden_);
        detail::multiply(product, by_rows_ ? 0 : schedule_.active(t), own.first,
                         own.last, for_rows);
    }

    /// dh of step t - 1 (or of h0) = gradients of the gates of step t times weight_hh,
    /// after what stays of dh.
    void state_gradients(const Team& team, index_t t, index_t t0) const noexcept {
        const bool goes_on = Cell::extended && call_.parts.zoneout_h.any();
        const SliceProduct<T> product{{da_hh_ + block_row(t, 0, t0) * da_stride_,
                                       da_stride_, call_.weight_hh, gates_width_},
                                      goes_on ? dh_ : nullptr,
                                      dh_width_,
                                      dh_,
                                      dh_width_};
        const auto [first, last] = column_slices(team, output_);
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
        const index_t at = unit / units * width + unit % units;
        V c(T(0));
        if constexpr (Cell::has_c) c = simd::load<V>(cell_before(t, r) + unit);
        return Arithmetic::output(call_.cache.gates + packed * gates_width_ + at, units,
                                  c);
    }

    /// h before every step of the block, from the cache.
    void load_h_before(const Team& team, index_t t0, index_t t1) const noexcept {
        const index_t start = schedule_.first(t0);
        const auto [first, last] = team.share(schedule_.first(t1) - start);
        for (index_t t = t0; t < t1; ++t) {
            const index_t at = schedule_.first(t) - start;
            const index_t end = std::min(last - at, schedule_.active(t));
            const T* const from =
                t == 0 ? call_.cache.h0
                       : call_.cache.h + schedule_.first(t - 1) * output_width_;
            for (index_t r = std::max<index_t>(first - at, 0); r < end; ++r)
                std::copy_n(from + r * output_width_, output_width_,
                            h_before_ + (at + r) * output_width_);
        }
    }

    /// dx of the block, slice by slice through scratch of this thread.
    void input_gradients(const Team& team, index_t t0, index_t t1) const noexcept {
        const index_t start = schedule_.first(t0);
        const auto [first, last] = team.share(schedule_.first(t1) - start);
        const index_t n = last - first;
        T* const sums = weights_.own(team);
        SliceProduct<T> product{
            {da_ih_ + first * da_stride_, da_stride_, call_.weight_ih, gates_width_},
            nullptr,
            0,
            sums,
            slice};
        for (index_t q = 0; q < Layout<Cell>::column_slices(input_); ++q) {
            detail::multiply(product, n, 0, 1, [&](auto f) { f(index_t{0}, n); });
            product.operands.weight += gates_width_ * slice;
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

    /// Initial states' gradients in the caller's order; weights' in the caller's
    /// layout.
    void finish(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        for (index_t r = first; r < last; ++r) {
            const index_t b = order(r);
            std::copy_n(dh_ + r * dh_width_, output_, call_.dh0 + b * output_);
            if constexpr (Cell::has_c)
                std::copy_n(dc_ + r * padded_, hidden_, call_.dc0 + b * hidden_);
        }
        weights_.finish(team);
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
    const index_t batch_, input_, hidden_, output_;
    const bool projected_;
    const index_t padded_, output_width_, gates_width_, da_stride_, dh_width_,
        dm_width_;
    const index_t block_;
    detail::Scratch<T> take_;
    const index_t rows_;
    T *const da_, *const h_before_, *const m_, *const through_;
    T *const dh_, *const dm_, *const dc_;
    T *const da_ih_, *const da_hh_, *const dz_, *const c_hat_;
    const detail::WeightGradients<Cell> weights_;
};

} // namespace

template <class Cell>
index_t backward_scratch(const Sizes& sizes, const Schedule& schedule, int n_threads) {
    Backward<typename Cell::Value> call{};
    call.sizes = sizes;
    if (sizes.normalised)
        return BackwardRun<typename Cell::Normalised>(call, schedule, false, n_threads)
            .scratch_size();
    return BackwardRun<Cell>(call, schedule, false, n_threads).scratch_size();
}

template <class Cell>
void backward(const Backward<typename Cell::Value>& call, const Schedule& schedule,
              int n_threads) noexcept {
    const index_t shares = Layout<Cell>::column_slices(call.sizes.hidden);
    const auto split = detail::choose_split(
        call.sizes, Cell::gates, call.sizes.output(), schedule, n_threads, shares);
    const auto run = [&](auto variant) {
        const BackwardRun<decltype(variant)> pass(call, schedule, split.by_rows,
                                                  n_threads);
        parallel_region(split.n_threads, pass);
    };
    if (call.sizes.normalised) return run(typename Cell::Normalised());
    detail::with_variant<Cell>(call.parts, run);
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
