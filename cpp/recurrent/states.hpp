/// States of the rows of a forward pass: from the caller's order into that of the
/// schedule, where a step finds them and leaves them, and back.
#pragma once

#include "recurrent/tile.hpp"

#include <algorithm>

namespace fastnotes::recurrent::detail {

/// Steps whose rows of n elements stay in the second-level cache together.
template <class T> index_t chunk_steps(const Schedule& schedule, index_t n) {
    constexpr index_t chunk_bytes = index_t{256} << 10;
    const index_t row_bytes = n * static_cast<index_t>(sizeof(T));
    const index_t step_bytes = std::max<index_t>(1, schedule.active(0) * row_bytes);
    return std::clamp<index_t>(chunk_bytes / step_bytes, 1,
                               std::max<index_t>(1, schedule.steps));
}

template <class Cell> class States {
    using T = typename Cell::Value;

  public:
    /// take(size) gives a part of the scratch.
    template <class Take>
    States(const Forward<T>& call, const Schedule& schedule, Take&& take)
        : call_(call), schedule_(schedule), output_(call.sizes.output()),
          output_width_(Layout<Cell>::output(call.sizes)),
          padded_(Layout<Cell>::padded(call.sizes.hidden)),
          h_stride_(row_stride<T>(output_width_)),
          c_stride_(call.cache == nullptr ? row_stride<T>(padded_) : padded_),
          h_{take(call.sizes.batch * h_stride_), take(call.sizes.batch * h_stride_)} {
        if (call.cache != nullptr) {
            c_ = call.cache->c;
        } else {
            c_ = take(Cell::has_c ? call.sizes.batch * c_stride_ : 0);
        }
    }

    index_t h_stride() const noexcept { return h_stride_; }

    /// h of sorted row r after step t, and before it.
    T* h_at(index_t t, index_t r) const noexcept { return h_[t % 2] + r * h_stride_; }
    const T* h_before(index_t t, index_t r) const noexcept { return h_at(t + 1, r); }

    /// c likewise.
    T* cell_at(index_t t, index_t r) const noexcept {
        const index_t row =
            call_.cache == nullptr ? r : call_.sizes.batch + schedule_.first(t) + r;
        return c_ + row * c_stride_;
    }
    const T* cell_before(index_t t, index_t r) const noexcept {
        return t == 0 ? c_ + r * c_stride_ : cell_at(t - 1, r);
    }

    /// Initial states of sorted row r; zeros past its sequence's end.
    void begin(index_t r) const noexcept {
        T* const h = h_at(1, r);
        load(call_.h0, r, output_, h, output_width_);
        if (call_.cache != nullptr)
            std::copy_n(h, output_width_, call_.cache->h0 + r * output_width_);
        if constexpr (Cell::has_c)
            load(call_.c0, r, call_.sizes.hidden, c_ + r * c_stride_, padded_);
        const index_t time = call_.sizes.time, end = length(r);
        std::fill_n(call_.h + (order(r) * time + end) * output_, (time - end) * output_,
                    T(0));
    }

    /// Those at its sequence's end, back in the caller's order.
    void finish(index_t r) const noexcept {
        const index_t end = length(r), hidden = call_.sizes.hidden;
        std::copy_n(h_before(end, r), output_, call_.h_last + order(r) * output_);
        if constexpr (Cell::has_c)
            std::copy_n(cell_before(end, r), hidden, call_.c_last + order(r) * hidden);
    }

  private:
    void load(const T* state, index_t r, index_t n, T* to,
              index_t padded) const noexcept {
        std::fill_n(to, padded, T(0));
        if (state != nullptr) std::copy_n(state + order(r) * n, n, to);
    }
    index_t order(index_t r) const noexcept {
        return schedule_.order[static_cast<std::size_t>(r)];
    }
    index_t length(index_t r) const noexcept {
        return schedule_.length[static_cast<std::size_t>(r)];
    }

    const Forward<T>& call_;
    const Schedule& schedule_;
    const index_t output_, output_width_, padded_, h_stride_, c_stride_;
    T* const h_[2];
    T* c_;
};

} // namespace fastnotes::recurrent::detail
