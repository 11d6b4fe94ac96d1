/// Forward: project a chunk of steps at once, then run the recurrence through it.
///
/// The projected gates of a chunk stay in the second-level cache until the recurrence
/// continues their sums; storing a sum and loading it again does not change it, so the
/// chunk's length has no influence on results.
#include "recurrent/lstm_cell.hpp"
#include "recurrent/rnn_cell.hpp"
#include "recurrent/tile.hpp"

namespace fastnotes::recurrent {
namespace {

using detail::Layout;
using detail::SliceProduct;

constexpr index_t chunk_bytes = index_t{256} << 10;

template <class Cell>
index_t chunk_steps(const Sizes& sizes, const Schedule& schedule) {
    const index_t row_bytes = Layout<Cell>::gates(sizes.hidden) *
                              static_cast<index_t>(sizeof(typename Cell::Value));
    const index_t step_bytes = std::max<index_t>(1, schedule.active(0) * row_bytes);
    return std::clamp<index_t>(chunk_bytes / step_bytes, 1,
                               std::max<index_t>(1, schedule.steps));
}

template <class Cell> class ForwardRun {
    using T = typename Cell::Value;
    using V = simd::Vec<T>;
    using Arithmetic = detail::Arithmetic<Cell>;

  public:
    ForwardRun(const Forward<T>& call, const Schedule& schedule, bool by_rows)
        : call_(call), schedule_(schedule), by_rows_(by_rows), batch_(call.sizes.batch),
          input_(call.sizes.input), hidden_(call.sizes.hidden),
          output_(call.sizes.output()), projected_(call.sizes.projection > 0),
          padded_(Layout<Cell>::padded(hidden_)),
          output_width_(Layout<Cell>::output(call.sizes)),
          gates_width_(Layout<Cell>::gates(hidden_)), x_stride_(row_stride<T>(input_)),
          h_stride_(row_stride<T>(output_width_)), m_stride_(row_stride<T>(padded_)),
          chunk_(chunk_steps<Cell>(call.sizes, schedule)) {
        T* next = call.scratch;
        const auto take = [&](index_t size) {
            T* const part = next;
            next += detail::slice<T>(size);
            return part;
        };
        h_[0] = take(batch_ * h_stride_);
        h_[1] = take(batch_ * h_stride_);
        m_ = take(projected_ ? batch_ * m_stride_ : 0);
        if (call.cache != nullptr) {
            x_ = call.cache->x;
            gates_ = call.cache->gates;
            c_ = call.cache->c;
        } else {
            const index_t rows = chunk_ * schedule.active(0);
            c_ = take(Cell::has_c ? batch_ * padded_ : 0);
            x_ = take(rows * x_stride_);
            gates_ = take(rows * gates_width_);
        }
        size_ = next - call.scratch;
    }

    index_t scratch_size() const { return size_; }

    void operator()(const Team& team) const noexcept {
        begin(team);
        team.barrier();
        for (index_t t0 = 0; t0 < schedule_.steps; t0 += chunk_) {
            const index_t t1 = std::min(t0 + chunk_, schedule_.steps);
            const index_t origin = call_.cache == nullptr ? schedule_.first(t0) : 0;
            gather(team, t0, t1, origin);
            if (!by_rows_) team.barrier();
            project(team, t0, t1, origin);
            for (index_t t = t0; t < t1; ++t) {
                step(team, t, origin);
                if constexpr (Cell::extended) {
                    if (projected_) project_outputs(team, t);
                }
                if (!by_rows_) team.barrier();
            }
            if (by_rows_) team.barrier(); // the next chunk lays its rows elsewhere
        }
        finish(team);
    }

  private:
    static constexpr index_t L = Layout<Cell>::L;
    static constexpr index_t units = Layout<Cell>::units;
    static constexpr index_t width = Layout<Cell>::panel_width;
    static constexpr index_t slices = Layout<Cell>::slices;

    /// Initial states in sorted order; zeros past the sequences' ends.
    void begin(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        for (index_t r = first; r < last; ++r) {
            const index_t b = schedule_.order[static_cast<std::size_t>(r)];
            const auto load_h = [&](T* to) {
                load_state(call_.h0, b, output_, to, output_width_);
            };
            load_h(h_[1] + r * h_stride_);
            if (call_.cache != nullptr) load_h(call_.cache->h0 + r * output_width_);
            if constexpr (Cell::has_c)
                load_state(call_.c0, b, hidden_, c_ + r * padded_, padded_);
            const index_t length = schedule_.length[static_cast<std::size_t>(r)];
            const index_t time = call_.sizes.time;
            std::fill_n(call_.h + (b * time + length) * output_,
                        (time - length) * output_, T(0));
        }
    }

    static void load_state(const T* state, index_t b, index_t columns, T* to,
                           index_t width) noexcept {
        std::fill_n(to, width, T(0));
        if (state != nullptr) std::copy_n(state + b * columns, columns, to);
    }

    /// f(first, last) over the packed rows of steps [t0, t1) that this thread owns.
    template <class F>
    void for_each_packed(const Team& team, index_t t0, index_t t1,
                         F&& f) const noexcept {
        if (!by_rows_) return f(schedule_.first(t0), schedule_.first(t1));
        for (index_t t = t0; t < t1; ++t) {
            const index_t start = schedule_.first(t);
            detail::for_each_own_rows(
                team, schedule_.active(0), schedule_.active(t),
                [&](index_t first, index_t last) { f(start + first, start + last); });
        }
    }

    /// Inputs of the chunk, one contiguous row after the other.
    void gather(const Team& team, index_t t0, index_t t1,
                index_t origin) const noexcept {
        const auto copy = [&](index_t first, index_t last) {
            for (index_t row = first; row < last; ++row) {
                const index_t from = schedule_.position[static_cast<std::size_t>(row)];
                std::copy_n(call_.x + from * input_, input_,
                            x_ + (row - origin) * x_stride_);
            }
        };
        if (by_rows_) return for_each_packed(team, t0, t1, copy);
        const index_t start = schedule_.first(t0);
        const auto [first, last] = team.share(schedule_.first(t1) - start);
        copy(start + first, start + last);
    }

    Team::Share panels(const Team& team) const noexcept {
        const index_t n = Layout<Cell>::unit_panels(hidden_);
        return by_rows_ ? Team::Share{0, n} : team.share(n);
    }

    /// gates = bias + weight_ih x for the chunk.
    void project(const Team& team, index_t t0, index_t t1,
                 index_t origin) const noexcept {
        const auto [first, last] = panels(team);
        const SliceProduct<T> product{
            x_,     x_stride_,   call_.weights.weight_ih, input_, call_.weights.bias, 0,
            gates_, gates_width_};
        const index_t n = by_rows_ ? 0 : schedule_.first(t1) - schedule_.first(t0);
        const auto for_rows = [&](auto f) {
            for_each_packed(team, t0, t1, [&](index_t from, index_t to) {
                f(from - origin, to - origin);
            });
        };
        detail::multiply(product, n, first * slices, last * slices, for_rows);
    }

    /// f(first, last) over this thread's sorted rows of step t.
    template <class F>
    void for_each_rows(const Team& team, index_t t, F&& f) const noexcept {
        const index_t active = schedule_.active(t);
        if (!by_rows_) return f(index_t{0}, active);
        detail::for_each_own_rows(team, schedule_.active(0), active, f);
    }

    /// Step t, a few panels at a time: their gates stay in the first-level cache.
    void step(const Team& team, index_t t, index_t origin) const noexcept {
        const auto [first, last] = panels(team);
        const index_t active = schedule_.active(t);
        T* const gates = gates_ + (schedule_.first(t) - origin) * gates_width_;
        const SliceProduct<T> product{
            h_[(t + 1) % 2], h_stride_,   call_.weights.weight_hh,
            output_,         gates,       gates_width_,
            gates,           gates_width_};
        const auto for_rows = [&](auto f) { for_each_rows(team, t, f); };
        const index_t n = by_rows_ ? 0 : active;
        for (index_t p = first; p < last; p += detail::panels_at_once) {
            const index_t end = std::min(p + detail::panels_at_once, last);
            detail::multiply(product, n, p * slices, end * slices, for_rows);
            for_rows([&](index_t from, index_t to) {
                for (index_t r = from; r < to; ++r) {
                    for (index_t each = p; each < end; ++each)
                        finish_cell(t, r, each, gates + r * gates_width_);
                }
            });
        }
    }

    /// Activations and states of panel p of sorted row r, at step t.
    FASTNOTES_INLINE void finish_cell(index_t t, index_t r, index_t p,
                                      T* row) const noexcept {
        const index_t at =
            schedule_.position[static_cast<std::size_t>(schedule_.first(t) + r)];
        for (index_t v = 0; v < Layout<Cell>::vectors; ++v) {
            const index_t unit = p * units + v * L;
            T* const gates = row + p * width + v * L;
            V c(T(0));
            if constexpr (Cell::has_c) c = simd::load<V>(cell_before(t, r) + unit);
            typename Arithmetic::Forward cell(gates, units, c, call_.parts, unit);
            if constexpr (Cell::extended) {
                cell.c = detail::zone_out(call_.parts.zoneout_c, at * hidden_ + unit,
                                          hidden_ - unit, c, cell.c);
            }
            if constexpr (Cell::has_c) simd::store(cell_at(t, r) + unit, cell.c);
            if (call_.cache != nullptr) cell.keep(gates, units);
            if (Cell::extended && projected_) {
                simd::store(m_ + r * m_stride_ + unit, cell.h);
            } else {
                finish_output(t, r, at, unit, cell.h);
            }
        }
    }

    /// A vector of h of sorted row r at step t, at place `at` of the results.
    FASTNOTES_INLINE void finish_output(index_t t, index_t r, index_t at, index_t unit,
                                        V h) const noexcept {
        const index_t place = at * output_ + unit, n = output_ - unit;
        if constexpr (Cell::extended) {
            const auto before = simd::load<V>(h_[(t + 1) % 2] + r * h_stride_ + unit);
            h = detail::zone_out(call_.parts.zoneout_h, place, n, before, h);
            const index_t row = schedule_.first(t) + r;
            if (call_.cache != nullptr && call_.cache->h != nullptr)
                simd::store(call_.cache->h + row * output_width_ + unit, h);
        }
        simd::store(h_[t % 2] + r * h_stride_ + unit, h);
        detail::store_partial<T>(call_.h + place, h, n);
    }

    /// h = m times weight_hr, for this thread's slices of it.
    void project_outputs(const Team& team, index_t t) const noexcept {
        if (!by_rows_) team.barrier();
        const index_t all = Layout<Cell>::column_slices(output_);
        const auto [first, last] = by_rows_ ? Team::Share{0, all} : team.share(all);
        T* const h = h_[t % 2];
        const SliceProduct<T> product{
            m_, m_stride_, call_.parts.weight_hr, hidden_, nullptr, 0, h, h_stride_};
        const auto for_rows = [&](auto f) { for_each_rows(team, t, f); };
        detail::multiply(product, by_rows_ ? 0 : schedule_.active(t), first, last,
                         for_rows);
        for_rows([&](index_t from, index_t to) {
            for (index_t r = from; r < to; ++r) {
                const auto row = static_cast<std::size_t>(schedule_.first(t) + r);
                const index_t end = last * detail::slice_width<T>;
                for (index_t k = first * detail::slice_width<T>; k < end; k += L)
                    finish_output(t, r, schedule_.position[row], k,
                                  simd::load<V>(h + r * h_stride_ + k));
            }
        });
    }

    T* cell_at(index_t t, index_t r) const noexcept {
        const index_t row =
            call_.cache == nullptr ? r : batch_ + schedule_.first(t) + r;
        return c_ + row * padded_;
    }
    const T* cell_before(index_t t, index_t r) const noexcept {
        return t == 0 ? c_ + r * padded_ : cell_at(t - 1, r);
    }

    /// States at the sequences' ends, back in the caller's order.
    void finish(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        for (index_t r = first; r < last; ++r) {
            const index_t b = schedule_.order[static_cast<std::size_t>(r)];
            const index_t length = schedule_.length[static_cast<std::size_t>(r)];
            const T* const h = h_[(length + 1) % 2] + r * h_stride_;
            std::copy_n(h, output_, call_.h_last + b * output_);
            if constexpr (Cell::has_c)
                std::copy_n(cell_before(length, r), hidden_,
                            call_.c_last + b * hidden_);
        }
    }

    const Forward<T>& call_;
    const Schedule& schedule_;
    const bool by_rows_;
    const index_t batch_, input_, hidden_, output_;
    const bool projected_;
    const index_t padded_, output_width_, gates_width_, x_stride_, h_stride_, m_stride_;
    const index_t chunk_;
    T *h_[2], *m_, *c_, *x_, *gates_;
    index_t size_;
};

/// Panels [p, end) of rows [from, from + n), at most a tile of them.
template <class Cell>
void step_panels(const Step<typename Cell::Value>& call, index_t p, index_t end,
                 index_t from, index_t n) noexcept {
    using T = typename Cell::Value;
    using V = simd::Vec<T>;
    using Shape = detail::Layout<Cell>;
    constexpr index_t width = Shape::panel_width;
    constexpr index_t stride = detail::panels_at_once * width;
    const index_t inputs = call.sizes.input, hidden = call.sizes.hidden;
    const index_t outputs = call.sizes.output();
    const index_t slices = (end - p) * Shape::slices;
    const auto all = [&](auto f) { f(index_t{0}, n); };
    alignas(64) T sums[nn::tile_rows * stride];
    const T* const weight_ih = call.weights.weight_ih + p * inputs * width;
    const T* const weight_hh = call.weights.weight_hh + p * outputs * width;
    const T* const bias = call.weights.bias + p * width;
    const SliceProduct<T> input{
        call.x + from * inputs, inputs, weight_ih, inputs, bias, 0, sums, stride};
    detail::multiply(input, n, 0, slices, all);
    const SliceProduct<T> state{call.h + from * outputs,
                                outputs,
                                weight_hh,
                                outputs,
                                sums,
                                stride,
                                sums,
                                stride};
    detail::multiply(state, n, 0, slices, all);
    for (index_t r = 0; r < n; ++r) {
        const index_t first = p * Shape::units, last = end * Shape::units;
        for (index_t unit = first; unit < last; unit += Shape::L) {
            const index_t in_panels = unit - first, in_panel = in_panels % Shape::units;
            const index_t at = (from + r) * hidden + unit, units = hidden - unit;
            V c(T(0));
            if constexpr (Cell::has_c) c = detail::load_partial<T>(call.c + at, units);
            typename detail::Arithmetic<Cell>::Forward cell(
                sums + r * stride + in_panels / Shape::units * width + in_panel,
                Shape::units, c, call.parts, unit);
            T* h_next = call.h_next;
            if constexpr (Cell::extended) {
                const auto& parts = call.parts;
                cell.c = detail::zone_out(parts.zoneout_c, at, units, c, cell.c);
                if (parts.weight_hr != nullptr) {
                    h_next = call.scratch;
                } else {
                    const auto h = detail::load_partial<T>(call.h + at, units);
                    cell.h = detail::zone_out(parts.zoneout_h, at, units, h, cell.h);
                }
            }
            if constexpr (Cell::has_c)
                detail::store_partial<T>(call.c_next + at, cell.c, units);
            detail::store_partial<T>(h_next + at, cell.h, units);
        }
    }
}

/// h of rows [from, from + n), at most a tile of them, from m in scratch.
template <class T>
void step_projection(const Step<T>& call, index_t from, index_t n) noexcept {
    using V = simd::Vec<T>;
    constexpr index_t S = detail::slice_width<T>;
    const index_t hidden = call.sizes.hidden, outputs = call.sizes.projection;
    alignas(64) T sums[nn::tile_rows * S];
    SliceProduct<T> product{call.scratch + from * hidden,
                            hidden,
                            call.parts.weight_hr,
                            hidden,
                            nullptr,
                            0,
                            sums,
                            S};
    for (index_t q = 0; q < outputs; q += S) {
        detail::multiply(product, n, 0, 1, [&](auto f) { f(index_t{0}, n); });
        product.weight += hidden * S;
        for (index_t r = 0; r < n; ++r) {
            for (index_t k = q; k < std::min(q + S, outputs); k += V::size) {
                const index_t at = (from + r) * outputs + k, count = outputs - k;
                const auto before = detail::load_partial<T>(call.h + at, count);
                const auto h = detail::zone_out(call.parts.zoneout_h, at, count, before,
                                                simd::load<V>(sums + r * S + k - q));
                detail::store_partial<T>(call.h_next + at, h, count);
            }
        }
    }
}

} // namespace

template <class Cell>
index_t forward_scratch(const Sizes& sizes, const Schedule& schedule, bool keep_cache) {
    using T = typename Cell::Value;
    const Cache<T> cache{};
    Forward<T> call{};
    call.sizes = sizes;
    call.cache = keep_cache ? &cache : nullptr;
    return ForwardRun<Cell>(call, schedule, false).scratch_size();
}

template <class Cell>
void forward(const Forward<typename Cell::Value>& call, const Schedule& schedule,
             int n_threads) noexcept {
    const index_t shares = Layout<Cell>::unit_panels(call.sizes.hidden);
    const auto split =
        detail::choose_split(call.sizes, Cell::gates, schedule, n_threads, shares);
    detail::with_variant<Cell>(call.parts, [&](auto variant) {
        const ForwardRun<decltype(variant)> run(call, schedule, split.by_rows);
        parallel_region(split.n_threads, run);
    });
}

template <class Cell> void step(const Step<typename Cell::Value>& call) noexcept {
    const index_t panels = Layout<Cell>::unit_panels(call.sizes.hidden);
    detail::with_variant<Cell>(call.parts, [&](auto variant) {
        for (index_t p = 0; p < panels; p += detail::panels_at_once) {
            const index_t end = std::min(p + detail::panels_at_once, panels);
            for (index_t r = 0; r < call.sizes.batch; r += nn::tile_rows) {
                const index_t n = std::min(nn::tile_rows, call.sizes.batch - r);
                step_panels<decltype(variant)>(call, p, end, r, n);
            }
        }
    });
    if (call.parts.weight_hr == nullptr) return;
    for (index_t r = 0; r < call.sizes.batch; r += nn::tile_rows)
        step_projection(call, r, std::min(nn::tile_rows, call.sizes.batch - r));
}

#define FASTNOTES_INSTANTIATE(Cell)                                                    \
    template index_t forward_scratch<Cell>(const Sizes&, const Schedule&, bool);       \
    template void forward<Cell>(const Forward<Cell::Value>&, const Schedule&,          \
                                int) noexcept;                                         \
    template void step<Cell>(const Step<Cell::Value>&) noexcept;
FASTNOTES_INSTANTIATE(LSTM<float>)
FASTNOTES_INSTANTIATE(LSTM<double>)
FASTNOTES_INSTANTIATE(RNN<float>)
FASTNOTES_INSTANTIATE(RNN<double>)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
