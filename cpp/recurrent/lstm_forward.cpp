/// Forward: project a chunk of steps at once, then run the recurrence through it.
///
/// The projected gates of a chunk stay in the second-level cache until the recurrence
/// continues their sums; storing a sum and loading it again does not change it, so the
/// chunk's length has no influence on results.
#include "common/simd_math.hpp"
#include "recurrent/lstm_tile.hpp"

namespace fastnotes::recurrent {
namespace {

using detail::Layout;
using detail::n_gates;
using detail::Tile;
template <class T> using V = simd::Vec<T>;

constexpr index_t chunk_bytes = index_t{256} << 10;

template <class T>
index_t chunk_steps(const LSTMSizes& sizes, const Schedule& schedule) {
    const index_t row_bytes =
        Layout<T>::gates(sizes.hidden) * static_cast<index_t>(sizeof(T));
    const index_t step_bytes = std::max<index_t>(1, schedule.active(0) * row_bytes);
    return std::clamp<index_t>(chunk_bytes / step_bytes, 1,
                               std::max<index_t>(1, schedule.steps));
}

/// Gates, cell and output of one panel of units, from pre-activations [4L].
template <class T> struct Cell {
    V<T> i, f, g, o, c, h;

    FASTNOTES_INLINE Cell(const T* a, V<T> c_before, Candidate candidate) {
        constexpr index_t L = Layout<T>::L;
        i = simd::sigmoid(simd::load<V<T>>(a));
        f = simd::sigmoid(simd::load<V<T>>(a + L));
        const auto a_g = simd::load<V<T>>(a + 2 * L);
        g = candidate == Candidate::tanh ? simd::tanh(a_g) : simd::sigmoid(a_g);
        o = simd::sigmoid(simd::load<V<T>>(a + 3 * L));
        c = simd::fma(f, c_before, i * g);
        h = o * simd::tanh(c);
    }
};

template <class T> class ForwardRun {
  public:
    ForwardRun(const LSTMForward<T>& call, const Schedule& schedule, bool by_rows)
        : call_(call), schedule_(schedule), by_rows_(by_rows), batch_(call.sizes.batch),
          input_(call.sizes.input), hidden_(call.sizes.hidden),
          padded_(Layout<T>::padded(hidden_)), gates_width_(Layout<T>::gates(hidden_)),
          chunk_(chunk_steps<T>(call.sizes, schedule)) {
        T* next = call.scratch;
        const auto take = [&](index_t size) {
            T* const part = next;
            next += detail::slice<T>(size);
            return part;
        };
        h_[0] = take(batch_ * padded_);
        h_[1] = take(batch_ * padded_);
        if (call.cache != nullptr) {
            x_ = call.cache->x;
            gates_ = call.cache->gates;
            c_ = call.cache->c;
        } else {
            const index_t rows = chunk_ * schedule.active(0);
            c_ = take(batch_ * padded_);
            x_ = take(rows * input_);
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
                if (!by_rows_) team.barrier();
            }
            if (by_rows_) team.barrier(); // the next chunk lays its rows elsewhere
        }
        finish(team);
    }

  private:
    static constexpr index_t L = Layout<T>::L;
    static constexpr index_t width = Layout<T>::panel_width;

    /// Initial states in sorted order; zeros past the sequences' ends.
    void begin(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        for (index_t r = first; r < last; ++r) {
            const index_t b = schedule_.order[static_cast<std::size_t>(r)];
            load_state(call_.h0, b, h_[1] + r * padded_);
            load_state(call_.c0, b, c_ + r * padded_);
            if (call_.cache != nullptr)
                load_state(call_.h0, b, call_.cache->h0 + r * padded_);
            const index_t length = schedule_.length[static_cast<std::size_t>(r)];
            const index_t time = call_.sizes.time;
            std::fill_n(call_.h + (b * time + length) * hidden_,
                        (time - length) * hidden_, T(0));
        }
    }

    void load_state(const T* state, index_t b, T* to) const noexcept {
        std::fill_n(to, padded_, T(0));
        if (state != nullptr) std::copy_n(state + b * hidden_, hidden_, to);
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
                            x_ + (row - origin) * input_);
            }
        };
        if (by_rows_) return for_each_packed(team, t0, t1, copy);
        const index_t start = schedule_.first(t0);
        const auto [first, last] = team.share(schedule_.first(t1) - start);
        copy(start + first, start + last);
    }

    Team::Share panels(const Team& team) const noexcept {
        const index_t n = Layout<T>::unit_panels(hidden_);
        return by_rows_ ? Team::Share{0, n} : team.share(n);
    }

    /// gates = bias + weight_ih x for the chunk.
    void project(const Team& team, index_t t0, index_t t1,
                 index_t origin) const noexcept {
        const auto [first_panel, last_panel] = panels(team);
        for (index_t p = first_panel; p < last_panel; ++p) {
            const nn::Panel<T> weight{call_.weights.weight_ih + p * input_ * width,
                                      width};
            const T* const bias = call_.weights.bias + p * width;
            for_each_packed(team, t0, t1, [&](index_t first, index_t last) {
                detail::for_each_tile(first, last, [&](index_t row, auto rows) {
                    Tile<T, decltype(rows)::value> tile;
                    detail::load_tile<T, decltype(rows)::value>(tile, bias, 0);
                    const T* const x = x_ + (row - origin) * input_;
                    tile.accumulate(nn::RowMajor<T>{x, input_}, weight, input_);
                    T* const out = gates_ + (row - origin) * gates_width_ + p * width;
                    detail::store_tile<T, decltype(rows)::value>(tile, out,
                                                                 gates_width_);
                });
            });
        }
    }

    void step(const Team& team, index_t t, index_t origin) const noexcept {
        const auto [first_panel, last_panel] = panels(team);
        const index_t active = schedule_.active(t);
        for (index_t p = first_panel; p < last_panel; ++p) {
            const auto run = [&](index_t first, index_t last) {
                detail::for_each_tile(first, last, [&](index_t r, auto rows) {
                    step_tile<decltype(rows)::value>(p, t, r, origin);
                });
            };
            if (by_rows_) {
                detail::for_each_own_rows(team, schedule_.active(0), active, run);
            } else {
                run(0, active);
            }
        }
    }

    /// Rows r .. r + Rows - 1 and the units of panel p, at step t.
    template <index_t Rows>
    void step_tile(index_t p, index_t t, index_t r, index_t origin) const noexcept {
        const index_t start = schedule_.first(t);
        T* const gates = gates_ + (start + r - origin) * gates_width_ + p * width;
        const T* const h_before = h_[(t + 1) % 2] + r * padded_;
        const nn::Panel<T> weight{call_.weights.weight_hh + p * hidden_ * width, width};

        alignas(64) T sums[Rows * width];
        Tile<T, Rows> tile;
        detail::load_tile<T, Rows>(tile, gates, gates_width_);
        tile.accumulate(nn::RowMajor<T>{h_before, padded_}, weight, hidden_);
        detail::store_tile<T, Rows>(tile, sums, width);

        const index_t units = std::min(L, hidden_ - p * L);
        for (index_t row = 0; row < Rows; ++row) {
            const T* const c_before = cell_before(t, r + row) + p * L;
            const Cell<T> cell(sums + row * width, simd::load<V<T>>(c_before),
                               call_.candidate);
            simd::store(cell_at(t, r + row) + p * L, cell.c);
            simd::store(h_[t % 2] + (r + row) * padded_ + p * L, cell.h);
            const index_t at =
                schedule_.position[static_cast<std::size_t>(start + r + row)];
            detail::store_partial<T>(call_.h + at * hidden_ + p * L, cell.h, units);
            if (call_.cache != nullptr) {
                T* const kept = gates + row * gates_width_;
                simd::store(kept, cell.i);
                simd::store(kept + L, cell.f);
                simd::store(kept + 2 * L, cell.g);
                simd::store(kept + 3 * L, cell.o);
            }
        }
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
            const T* const h = h_[(length + 1) % 2] + r * padded_;
            std::copy_n(h, hidden_, call_.h_last + b * hidden_);
            std::copy_n(cell_before(length, r), hidden_, call_.c_last + b * hidden_);
        }
    }

    const LSTMForward<T>& call_;
    const Schedule& schedule_;
    const bool by_rows_;
    const index_t batch_, input_, hidden_, padded_, gates_width_, chunk_;
    T *h_[2], *c_, *x_, *gates_;
    index_t size_;
};

template <class T, index_t Rows>
FASTNOTES_INLINE void step_rows(const LSTMSizes& sizes, Candidate candidate,
                                const LSTMPacked<T>& weights, index_t p, const T* x,
                                const T* h, const T* c, T* h_next, T* c_next) noexcept {
    constexpr index_t L = Layout<T>::L;
    constexpr index_t width = Layout<T>::panel_width;
    const index_t depth_x = sizes.input, depth_h = sizes.hidden;
    alignas(64) T sums[Rows * width];
    Tile<T, Rows> tile;
    detail::load_tile<T, Rows>(tile, weights.bias + p * width, 0);
    tile.accumulate(nn::RowMajor<T>{x, depth_x},
                    nn::Panel<T>{weights.weight_ih + p * depth_x * width, width},
                    depth_x);
    tile.accumulate(nn::RowMajor<T>{h, depth_h},
                    nn::Panel<T>{weights.weight_hh + p * depth_h * width, width},
                    depth_h);
    detail::store_tile<T, Rows>(tile, sums, width);
    const index_t units = std::min(L, depth_h - p * L);
    for (index_t row = 0; row < Rows; ++row) {
        const index_t at = row * depth_h + p * L;
        const Cell<T> cell(sums + row * width, detail::load_partial<T>(c + at, units),
                           candidate);
        detail::store_partial<T>(c_next + at, cell.c, units);
        detail::store_partial<T>(h_next + at, cell.h, units);
    }
}

} // namespace

template <class T>
index_t lstm_forward_scratch(const LSTMSizes& sizes, const Schedule& schedule,
                             bool keep_cache) {
    const LSTMCache<T> cache{};
    LSTMForward<T> call{};
    call.sizes = sizes;
    call.cache = keep_cache ? &cache : nullptr;
    return ForwardRun<T>(call, schedule, false).scratch_size();
}

template <class T>
void lstm_forward(const LSTMForward<T>& call, const Schedule& schedule,
                  int n_threads) noexcept {
    const index_t shares = Layout<T>::unit_panels(call.sizes.hidden);
    const auto split = detail::choose_split(call.sizes, schedule, n_threads, shares);
    const ForwardRun<T> run(call, schedule, split.by_rows);
    parallel_region(split.n_threads, run);
}

template <class T>
void lstm_step(const LSTMSizes& sizes, Candidate candidate,
               const LSTMPacked<T>& weights, const T* x, const T* h, const T* c,
               T* h_next, T* c_next) noexcept {
    for (index_t p = 0; p < Layout<T>::unit_panels(sizes.hidden); ++p) {
        detail::for_each_tile(0, sizes.batch, [&](index_t r, auto rows) {
            const index_t at = r * sizes.hidden;
            step_rows<T, decltype(rows)::value>(sizes, candidate, weights, p,
                                                x + r * sizes.input, h + at, c + at,
                                                h_next + at, c_next + at);
        });
    }
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t lstm_forward_scratch<T>(const LSTMSizes&, const Schedule&, bool); \
    template void lstm_forward<T>(const LSTMForward<T>&, const Schedule&,              \
                                  int) noexcept;                                       \
    template void lstm_step<T>(const LSTMSizes&, Candidate, const LSTMPacked<T>&,      \
                               const T*, const T*, const T*, T*, T*) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
