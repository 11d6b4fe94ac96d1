/// Forward: project inputs, then let the recurrence go on with their sums.
///
/// Many rows at a step are projected a few panels at a time, whose sums never leave the
/// first-level cache, nor, where both products are shallow, their registers. Of few
/// rows a chunk of steps is projected at once and stays in the second-level cache: that
/// reads weight_ih less often. Storing a sum and loading it again does not change it,
/// so neither choice has an influence on results.
#include "recurrent/lstm_cell.hpp"
#include "recurrent/rnn_cell.hpp"
#include "recurrent/states.hpp"

namespace fastnotes::recurrent {
namespace {

using detail::Layout;
using detail::SliceProduct;

/// Rows of a step from which on it is projected alone.
constexpr index_t rows_alone = 2 * nn::tile_rows;

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
          m_stride_(row_stride<T>(padded_)), alone_(schedule.active(0) >= rows_alone),
          joined_(alone_ && input_ + output_ <= detail::depth_block),
          chunk_(detail::chunk_steps<T>(schedule, alone_ ? x_stride_ : gates_width_)),
          sums_rows_((alone_ ? 1 : chunk_) * schedule.active(0)), take_(call.scratch),
          states_(call, schedule, take_),
          m_(take_(projected_ ? batch_ * m_stride_ : 0)),
          sums_(take_(sums_rows_ * gates_width_)),
          x_(call.cache != nullptr ? call.cache->x
                                   : take_(chunk_ * schedule.active(0) * x_stride_)) {}

    index_t scratch_size() const { return take_.size(); }

    void operator()(Team team) const noexcept {
        begin(team);
        if (!team.goes_on()) return;
        for (index_t t0 = 0; t0 < schedule_.steps; t0 += chunk_) {
            const index_t t1 = std::min(t0 + chunk_, schedule_.steps);
            const Chunk chunk{t0, t1, team.size};
            gather(team, t0, t1);
            if (!by_rows_ && !team.goes_on()) return;
            if (!alone_) {
                for_each_group(team, chunk, [&](const Group& group) {
                    project(team, group, chunk, t0, t1);
                });
            }
            for (index_t t = t0; t < t1; ++t) {
                step(team, t, chunk);
                if constexpr (Cell::extended) {
                    if (projected_) project_outputs(team, t);
                }
                if (!by_rows_ && !team.goes_on()) return;
                give_outputs(team, t);
            }
            // The next chunk may lay its rows elsewhere.
            if (by_rows_ && schedule_.ragged() && !team.goes_on()) return;
        }
        finish(team);
    }

  private:
    static constexpr index_t L = Layout<Cell>::L;
    static constexpr index_t units = Layout<Cell>::units;
    static constexpr index_t width = Layout<Cell>::panel_width;
    static constexpr index_t slices = Layout<Cell>::slices;

    void begin(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        for (index_t r = first; r < last; ++r) states_.begin(r);
    }

    /// f(first, last) over the packed rows of steps [t0, t1) that this thread owns.
    template <class F>
    void for_each_packed(const Team& team, index_t t0, index_t t1,
                         F&& f) const noexcept {
        if (!by_rows_) return f(schedule_.first(t0), schedule_.first(t1));
        for (index_t t = t0; t < t1; ++t) {
            const index_t start = schedule_.first(t);
            detail::for_each_own_rows(
                team, schedule_, schedule_.active(0), schedule_.active(t),
                [&](index_t first, index_t last) { f(start + first, start + last); });
        }
    }

    /// Inputs of the chunk as packed rows, read a sequence after the other.
    void gather(const Team& team, index_t t0, index_t t1) const noexcept {
        const index_t origin = inputs_origin(t0);
        const auto copy = [&](index_t first, index_t last) {
            for (index_t r = first; r < last; ++r) {
                for (index_t t = t0; t < t1 && r < schedule_.active(t); ++t) {
                    const index_t row = schedule_.first(t) + r;
                    std::copy_n(call_.x + position(row) * input_, input_,
                                x_ + (row - origin) * x_stride_);
                }
            }
        };
        if (by_rows_) return for_each_rows(team, t0, copy);
        const auto [first, last] = team.share(schedule_.active(t0));
        copy(first, last);
    }

    Team::Share panels(const Team& team) const noexcept {
        const index_t n = Layout<Cell>::unit_panels(hidden_);
        return by_rows_ ? Team::Share{0, n} : team.share(n);
    }

    /// The packed row that x_ begins with.
    index_t inputs_origin(index_t t0) const noexcept {
        return call_.cache == nullptr ? schedule_.first(t0) : 0;
    }

    /// Steps [t0, t1), whose sums are laid out for so many threads.
    struct Chunk {
        index_t t0, t1;
        int owners;
    };

    /// Panels that are worked at together, and their sums: [sums_rows_, stride]. Where
    /// steps are projected alone, all groups of a thread take turns in one place, and
    /// threads that split by rows share it: one stride for all groups.
    struct Group {
        index_t first, last, stride;
        T* sums;
    };
    /// Once a thread is alone it has all of the chunk's groups, where they are.
    template <class F>
    void for_each_group(const Team& team, const Chunk& chunk, F&& f) const noexcept {
        for (int owner = team.index; owner < chunk.owners; owner += team.size) {
            const auto [first, last] = panels(Team{owner, chunk.owners, nullptr});
            const index_t most = std::min(detail::panels_at_once, last - first);
            for (index_t p = first; p < last; p += detail::panels_at_once) {
                const index_t end = std::min(p + detail::panels_at_once, last);
                T* const sums = sums_ + (alone_ ? first : p) * sums_rows_ * width;
                f(Group{p, end, (alone_ ? most : end - p) * width, sums});
            }
        }
    }

    /// Sums = bias + weight_ih x, for the rows of the chunk from step t on.
    SliceProduct<T> projection(const Group& group, const Chunk& chunk,
                               index_t t) const noexcept {
        const index_t place = group.first * width;
        const index_t row = schedule_.first(t) - inputs_origin(chunk.t0);
        return {{x_ + row * x_stride_, x_stride_,
                 call_.weights.weight_ih + place * input_, input_},
                call_.weights.bias + place,
                0,
                group.sums,
                group.stride};
    }

    /// The same for steps [from, to).
    void project(const Team& team, const Group& group, const Chunk& chunk, index_t from,
                 index_t to) const noexcept {
        const index_t start = schedule_.first(from);
        const index_t n = by_rows_ ? 0 : schedule_.first(to) - start;
        const auto for_rows = [&](auto f) {
            for_each_packed(team, from, to, [&](index_t first, index_t last) {
                f(first - start, last - start);
            });
        };
        detail::multiply(projection(group, chunk, from), n, 0,
                         (group.last - group.first) * slices, for_rows);
    }

    /// f(first, last) over this thread's sorted rows of step t.
    template <class F>
    void for_each_rows(const Team& team, index_t t, F&& f) const noexcept {
        const index_t active = schedule_.active(t);
        if (!by_rows_) return f(index_t{0}, active);
        detail::for_each_own_rows(team, schedule_, schedule_.active(0), active, f);
    }

    /// Step t of the chunk, a group of panels after the other: its sums stay in the
    /// first-level cache.
    void step(const Team& team, index_t t, const Chunk& chunk) const noexcept {
        const index_t start = schedule_.first(chunk.t0);
        const index_t row = alone_ ? 0 : schedule_.first(t) - start;
        const index_t n = by_rows_ ? 0 : schedule_.active(t);
        const auto for_rows = [&](auto f) { for_each_rows(team, t, f); };
        for_each_group(team, chunk, [&](const Group& group) {
            T* const sums = group.sums + row * group.stride;
            const detail::Operands<T> state{
                states_.h_before(t, 0), states_.h_stride(),
                call_.weights.weight_hh + group.first * width * output_, output_};
            SliceProduct<T> product{state, sums, group.stride, sums, group.stride};
            if (joined_) {
                product = projection(group, chunk, t);
                product.then = state;
            } else if (alone_) {
                project(team, group, chunk, t, t + 1);
            }
            detail::multiply(product, n, 0, (group.last - group.first) * slices,
                             for_rows);
            const auto for_cells = [&](auto f) {
                for_rows([&](index_t from, index_t to) {
                    for (index_t r = from; r < to; ++r) {
                        T* at = sums + r * group.stride;
                        for (index_t p = group.first; p < group.last; ++p, at += width)
                            f(r, p, at);
                    }
                });
            };
            for_cells([&](index_t r, index_t p, T* at) { start_cell(t, r, p, at); });
            for_cells([&](index_t r, index_t p, T* at) { finish_cell(t, r, p, at); });
        });
    }

    /// Activations and c of panel p of sorted row r, at step t; in the place of the
    /// sums what h is made of. Of two short chains of operations the processor has more
    /// under way than of a long one.
    FASTNOTES_INLINE void start_cell(index_t t, index_t r, index_t p,
                                     T* sums) const noexcept {
        const index_t row = schedule_.first(t) + r;
        for (index_t v = 0; v < Layout<Cell>::vectors; ++v) {
            const index_t unit = p * units + v * L;
            V c(T(0));
            if constexpr (Cell::has_c)
                c = simd::load<V>(states_.cell_before(t, r) + unit);
            typename Arithmetic::Forward cell(sums + v * L, units, c, call_.parts,
                                              unit);
            cell.hold(sums + v * L, units);
            if constexpr (Cell::extended) {
                cell.c = detail::zone_out(call_.parts.zoneout_c,
                                          position(row) * hidden_ + unit,
                                          hidden_ - unit, c, cell.c);
            }
            if constexpr (Cell::has_c)
                simd::store(states_.cell_at(t, r) + unit, cell.c);
            if (call_.cache != nullptr)
                cell.keep(call_.cache->gates + row * gates_width_ + p * width + v * L,
                          units);
        }
    }

    /// Outputs of panel p of sorted row r, at step t.
    FASTNOTES_INLINE void finish_cell(index_t t, index_t r, index_t p,
                                      const T* sums) const noexcept {
        for (index_t v = 0; v < Layout<Cell>::vectors; ++v) {
            const index_t unit = p * units + v * L;
            const V h = Arithmetic::held_output(sums + v * L, units);
            if (Cell::extended && projected_) {
                simd::store(m_ + r * m_stride_ + unit, h);
            } else {
                finish_output(t, r, unit, h);
            }
        }
    }

    /// A vector of h of sorted row r at step t.
    FASTNOTES_INLINE void finish_output(index_t t, index_t r, index_t unit,
                                        V h) const noexcept {
        T* const to = states_.h_at(t, r) + unit;
        if constexpr (Cell::extended) {
            const index_t row = schedule_.first(t) + r, n = output_ - unit;
            const auto before = simd::load<V>(states_.h_before(t, r) + unit);
            h = detail::zone_out(call_.parts.zoneout_h, position(row) * output_ + unit,
                                 n, before, h);
            if (call_.cache != nullptr && call_.cache->h != nullptr)
                simd::store(call_.cache->h + row * output_width_ + unit, h);
        }
        simd::store(to, h);
    }

    /// h of step t where the caller wants it, in whole rows: those of neighbours are so
    /// far apart that writing them side by side would empty the caches.
    void give_outputs(const Team& team, index_t t) const noexcept {
        const auto copy = [&](index_t first, index_t last) {
            for (index_t r = first; r < last; ++r)
                std::copy_n(states_.h_at(t, r), output_,
                            call_.h + position(schedule_.first(t) + r) * output_);
        };
        if (by_rows_) return for_each_rows(team, t, copy);
        const auto [first, last] = team.share(schedule_.active(t));
        copy(first, last);
    }

    index_t position(index_t row) const noexcept {
        return schedule_.position[static_cast<std::size_t>(row)];
    }

    /// h = m times weight_hr, for this thread's slices of it.
    void project_outputs(const Team& team, index_t t) const noexcept {
        if (!by_rows_) team.barrier();
        const index_t all = Layout<Cell>::column_slices(output_);
        const auto own = by_rows_ ? Team::Share{0, all} : team.share(all);
        T* const h = states_.h_at(t, 0);
        const SliceProduct<T> product{{m_, m_stride_, call_.parts.weight_hr, hidden_},
                                      nullptr,
                                      0,
                                      h,
                                      states_.h_stride()};
        const auto for_rows = [&](auto f) { for_each_rows(team, t, f); };
        detail::multiply(product, by_rows_ ? 0 : schedule_.active(t), own.first,
                         own.last, for_rows);
        for_rows([&](index_t from, index_t to) {
            for (index_t r = from; r < to; ++r) {
                const index_t end = own.last * detail::slice_width<T>;
                for (index_t k = own.first * detail::slice_width<T>; k < end; k += L)
                    finish_output(t, r, k, simd::load<V>(states_.h_at(t, r) + k));
            }
        });
    }

    void finish(const Team& team) const noexcept {
        const auto [first, last] = team.share(batch_);
        for (index_t r = first; r < last; ++r) states_.finish(r);
    }

    const Forward<T>& call_;
    const Schedule& schedule_;
    const bool by_rows_;
    const index_t batch_, input_, hidden_, output_;
    const bool projected_;
    const index_t padded_, output_width_, gates_width_, x_stride_, m_stride_;
    const bool alone_, joined_;
    const index_t chunk_, sums_rows_;
    detail::Scratch<T> take_;
    const detail::States<Cell> states_;
    T *const m_, *const sums_, *const x_;
};

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
    const index_t depth = call.sizes.input + call.sizes.output();
    const auto split = detail::choose_split(call.sizes, Cell::gates, depth, schedule,
                                            n_threads, shares);
    detail::with_variant<Cell>(call.parts, [&](auto variant) {
        const ForwardRun<decltype(variant)> run(call, schedule, split.by_rows);
        parallel_region(split.n_threads, run);
    });
}

#define FASTNOTES_INSTANTIATE(Cell)                                                    \
    template index_t forward_scratch<Cell>(const Sizes&, const Schedule&, bool);       \
    template void forward<Cell>(const Forward<Cell::Value>&, const Schedule&,          \
                                int) noexcept;
FASTNOTES_INSTANTIATE(LSTM<float>)
FASTNOTES_INSTANTIATE(LSTM<double>)
FASTNOTES_INSTANTIATE(RNN<float>)
FASTNOTES_INSTANTIATE(RNN<double>)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
