/// Forward with layer normalisation: threads own rows, from the first step to the last.
///
/// A chunk of inputs is projected at once, as in forward.cpp; threads meet between
/// chunks, whose rows lie in one place, and never inside.
#include "recurrent/layer_norm.hpp"
#include "recurrent/states.hpp"

namespace fastnotes::recurrent {
namespace {

using detail::SliceProduct;

template <class T> class LayerNormRun {
    using V = simd::Vec<T>;
    using Shape = detail::Layout<LSTM<T>>;
    using Arithmetic = detail::LSTMArithmetic<T, true>;

  public:
    LayerNormRun(const Forward<T>& call, const Schedule& schedule)
        : call_(call), schedule_(schedule), rows_{call.parts, call.sizes.hidden},
          batch_(call.sizes.batch), input_(call.sizes.input),
          hidden_(call.sizes.hidden), output_(call.sizes.output()),
          projected_(call.sizes.projection > 0), padded_(Shape::padded(hidden_)),
          output_width_(Shape::output(call.sizes)), gates_width_(Shape::gates(hidden_)),
          x_stride_(row_stride<T>(input_)),
          chunk_(detail::chunk_steps<T>(schedule, gates_width_)), take_(call.scratch),
          states_(call, schedule, take_), cells_(take_(batch_ * padded_)) {
        if (call.cache != nullptr) {
            const Cache<T>& cache = *call.cache;
            x_ = cache.x;
            gates_ = cache.gates;
            ih_hat_ = cache.ih_hat;
            hh_hat_ = cache.hh_hat;
        } else {
            const index_t rows = chunk_ * schedule.active(0);
            x_ = take_(rows * x_stride_);
            gates_ = ih_hat_ = take_(rows * gates_width_);
            hh_hat_ = take_(batch_ * gates_width_);
        }
    }

    index_t scratch_size() const { return take_.size(); }

    void operator()(const Team& team) const noexcept {
        const auto each = [&](auto f) {
            detail::for_each_own_rows(team, schedule_, batch_, batch_,
                                      [&](index_t r, index_t end) {
                                          for (; r < end; ++r) f(r);
                                      });
        };
        each([&](index_t r) { states_.begin(r); });
        for (index_t t0 = 0; t0 < schedule_.steps; t0 += chunk_) {
            const index_t t1 = std::min(t0 + chunk_, schedule_.steps);
            const index_t origin = call_.cache == nullptr ? schedule_.first(t0) : 0;
            project(team, t0, t1, origin);
            for (index_t t = t0; t < t1; ++t) step(team, t, origin);
            team.barrier();
        }
        each([&](index_t r) { states_.finish(r); });
    }

  private:
    static constexpr index_t slices_of(index_t width) {
        return width / detail::slice_width<T>;
    }

    index_t position(index_t packed) const noexcept {
        return schedule_.position[static_cast<std::size_t>(packed)];
    }

    /// ih_hat of this thread's rows of the chunk.
    void project(const Team& team, index_t t0, index_t t1,
                 index_t origin) const noexcept {
        const index_t start = schedule_.first(t0) - origin;
        const index_t end = schedule_.first(t1) - origin;
        const auto for_rows = [&](auto f) {
            if (team.size == 1) return f(start, end);
            for (index_t t = t0; t < t1; ++t) {
                const index_t at = schedule_.first(t) - origin;
                for_own(team, t,
                        [&](index_t from, index_t to) { f(at + from, at + to); });
            }
        };
        for_rows([&](index_t from, index_t to) {
            for (index_t row = from; row < to; ++row)
                std::copy_n(call_.x + position(row + origin) * input_, input_,
                            x_ + row * x_stride_);
        });
        const SliceProduct<T> product{{x_, x_stride_, call_.weights.weight_ih, input_},
                                      nullptr,
                                      0,
                                      ih_hat_,
                                      gates_width_};
        detail::multiply(product, team.size == 1 ? end - start : 0, 0,
                         slices_of(gates_width_), for_rows);
        for_rows([&](index_t from, index_t to) {
            for (index_t row = from; row < to; ++row)
                keep_moments(row, 0, {rows_.normalise(ih_hat_ + row * gates_width_)});
        });
    }

    /// f(first, last) over this thread's sorted rows of step t.
    template <class F> void for_own(const Team& team, index_t t, F&& f) const noexcept {
        const index_t active = schedule_.active(t);
        if (team.size == 1) return f(index_t{0}, active);
        detail::for_each_own_rows(team, schedule_, batch_, active, f);
    }

    void step(const Team& team, index_t t, index_t origin) const noexcept {
        const index_t start = schedule_.first(t) - origin;
        T* const hh_hat = hh_hat_ + (call_.cache == nullptr ? 0 : start * gates_width_);
        const auto for_rows = [&](auto f) { for_own(team, t, f); };
        const SliceProduct<T> product{{states_.h_before(t, 0), states_.h_stride(),
                                       call_.weights.weight_hh, output_},
                                      nullptr,
                                      0,
                                      hh_hat,
                                      gates_width_};
        const index_t n = team.size == 1 ? schedule_.active(t) : 0;
        detail::multiply(product, n, 0, slices_of(gates_width_), for_rows);
        for_rows([&](index_t from, index_t to) {
            for (index_t r = from; r < to; ++r)
                finish_cells(t, r, start + r, hh_hat + r * gates_width_);
        });
        if (!projected_) return;
        T* const h = states_.h_at(t, 0);
        const SliceProduct<T> outputs{{cells_, padded_, call_.parts.weight_hr, hidden_},
                                      nullptr,
                                      0,
                                      h,
                                      states_.h_stride()};
        detail::multiply(outputs, n, 0, slices_of(output_width_), for_rows);
        for_rows([&](index_t from, index_t to) {
            for (index_t r = from; r < to; ++r) {
                for (index_t k = 0; k < output_; k += V::size)
                    finish_output(t, r, k, simd::load<V>(states_.h_at(t, r) + k));
            }
        });
    }

    /// Cells and, unless they are projected, outputs of sorted row r.
    void finish_cells(index_t t, index_t r, index_t row, T* hh_hat) const noexcept {
        T* const gates = gates_ + row * gates_width_;
        T* const cells = cells_ + r * padded_;
        const T scale = rows_.normalise(hh_hat);
        rows_.join(ih_hat_ + row * gates_width_, hh_hat, call_.weights.bias, gates);
        const index_t at = position(schedule_.first(t) + r) * hidden_;
        for (index_t unit = 0; unit < hidden_; unit += V::size) {
            const auto before = simd::load<V>(states_.cell_before(t, r) + unit);
            T* const own = gates + Shape::place(0, unit);
            const typename Arithmetic::Forward cell(own, Shape::units, before,
                                                    call_.parts, unit);
            cell.keep(own, Shape::units);
            simd::store(cells + unit, cell.c);
            simd::store(states_.cell_at(t, r) + unit,
                        detail::zone_out(call_.parts.zoneout_c, at + unit,
                                         hidden_ - unit, before, cell.c));
        }
        const auto moments = rows_.outputs(gates, cells, [&](index_t unit, V m) {
            if (projected_) return simd::store(cells + unit, m);
            finish_output(t, r, unit, m);
        });
        keep_moments(row, 1, {scale, moments.mean, moments.scale});
    }

    /// A vector of h, or of what is projected to it, of sorted row r.
    FASTNOTES_INLINE void finish_output(index_t t, index_t r, index_t unit,
                                        V h) const noexcept {
        const index_t packed = schedule_.first(t) + r;
        const index_t place = position(packed) * output_ + unit, n = output_ - unit;
        const auto before = simd::load<V>(states_.h_before(t, r) + unit);
        h = detail::zone_out(call_.parts.zoneout_h, place, n, before, h);
        if (call_.cache != nullptr)
            simd::store(call_.cache->h + packed * output_width_ + unit, h);
        simd::store(states_.h_at(t, r) + unit, h);
        detail::store_partial<T>(call_.h + place, h, n);
    }

    void keep_moments(index_t row, index_t from,
                      std::initializer_list<T> values) const noexcept {
        if (call_.cache == nullptr) return;
        std::copy(values.begin(), values.end(), call_.cache->moments + 4 * row + from);
    }

    const Forward<T>& call_;
    const Schedule& schedule_;
    const detail::LayerNormRows<T> rows_;
    const index_t batch_, input_, hidden_, output_;
    const bool projected_;
    const index_t padded_, output_width_, gates_width_, x_stride_, chunk_;
    detail::Scratch<T> take_;
    const detail::States<LSTM<T>> states_;
    T* const cells_;
    T *x_, *gates_, *ih_hat_, *hh_hat_;
};

} // namespace

template <class T>
index_t layer_norm_forward_scratch(const Sizes& sizes, const Schedule& schedule,
                                   bool keep_cache) {
    const Cache<T> cache{};
    Forward<T> call{};
    call.sizes = sizes;
    call.cache = keep_cache ? &cache : nullptr;
    return LayerNormRun<T>(call, schedule).scratch_size();
}

template <class T>
void layer_norm_forward(const Forward<T>& call, const Schedule& schedule,
                        int n_threads) noexcept {
    const auto split =
        detail::choose_split(call.sizes, LSTM<T>::gates, 0, schedule, n_threads, 1);
    parallel_region(split.n_threads, LayerNormRun<T>(call, schedule));
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t layer_norm_forward_scratch<T>(const Sizes&, const Schedule&,      \
                                                   bool);                              \
    template void layer_norm_forward<T>(const Forward<T>&, const Schedule&,            \
                                        int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
