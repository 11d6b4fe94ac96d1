/// One step of a few sequences, streamed: nothing is gathered or kept.
#include "recurrent/lstm_cell.hpp"
#include "recurrent/rnn_cell.hpp"
#include "recurrent/tile.hpp"

namespace fastnotes::recurrent {
namespace {

using detail::Layout;
using detail::SliceProduct;

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
    const Stored<T> weight_ih = call.weights.weight_ih + p * inputs * width;
    const Stored<T> weight_hh = call.weights.weight_hh + p * outputs * width;
    const T* const bias = call.weights.bias + p * width;
    const SliceProduct<T> product{
        {call.x + from * inputs, inputs, weight_ih, inputs},   bias, 0, sums, stride,
        {call.h + from * outputs, outputs, weight_hh, outputs}};
    detail::multiply(product, n, 0, slices, all);
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
            V h_after = cell.h();
            T* h_next = call.h_next;
            if constexpr (Cell::extended) {
                const auto& parts = call.parts;
                cell.c = detail::zone_out(parts.zoneout_c, at, units, c, cell.c);
                if (parts.weight_hr) {
                    h_next = call.scratch;
                } else {
                    const auto h = detail::load_partial<T>(call.h + at, units);
                    h_after = detail::zone_out(parts.zoneout_h, at, units, h, h_after);
                }
            }
            if constexpr (Cell::has_c)
                detail::store_partial<T>(call.c_next + at, cell.c, units);
            detail::store_partial<T>(h_next + at, h_after, units);
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
    SliceProduct<T> product{
        {call.scratch + from * hidden, hidden, call.parts.weight_hr, hidden},
        nullptr,
        0,
        sums,
        S};
    for (index_t q = 0; q < outputs; q += S) {
        detail::multiply(product, n, 0, 1, [&](auto f) { f(index_t{0}, n); });
        product.operands.weight += hidden * S;
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
    if (!call.parts.weight_hr) return;
    for (index_t r = 0; r < call.sizes.batch; r += nn::tile_rows)
        step_projection(call, r, std::min(nn::tile_rows, call.sizes.batch - r));
}

#define FASTNOTES_INSTANTIATE(Cell)                                                    \
    template void step<Cell>(const Step<Cell::Value>&) noexcept;
FASTNOTES_INSTANTIATE(LSTM<float>)
FASTNOTES_INSTANTIATE(LSTM<double>)
FASTNOTES_INSTANTIATE(RNN<float>)
FASTNOTES_INSTANTIATE(RNN<double>)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::recurrent
