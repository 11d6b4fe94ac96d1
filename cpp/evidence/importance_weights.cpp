#include "evidence/importance_weights.hpp"

#include "evidence/sweep.hpp"
#include "evidence/totals.hpp"

namespace fastnotes::evidence {

template <class T>
void importance_weights(View3<const T> log_w, View2<T> bound, View3<T> weights,
                        View2<T> ess, const Work& work) noexcept {
    const auto tiling = tile<T>(log_w, work);
    const auto count = static_cast<double>(log_w.rows);
    const auto finish = [&](Strip<T>& strip, index_t at, index_t size) {
        for (index_t i = 0; i < size; i += simd::lanes<T>) {
            const Totals<T> totals(strip.load(i), true);
            const auto left = static_cast<std::size_t>(size - i);
            simd::store_partial(bound.data + at + i, totals.log_mean(count), left);
            simd::store_partial(ess.data + at + i, totals.effective_size(count), left);
            simd::store(strip.term + i, totals.raised_scale());
        }
    };
    const auto emit = [&](const Strip<T>& strip, const Tiling::Strip& tile,
                          Tiling::Range range) {
        emit_weights(tiling, tile, range, strip, log_w.data, weights.data);
    };
    sweep<true, false>(tiling, Terms<T>{log_w.data, nullptr}, work.scratch, finish,
                       emit);
}

template void importance_weights<float>(View3<const float>, View2<float>, View3<float>,
                                        View2<float>, const Work&) noexcept;
template void importance_weights<double>(View3<const double>, View2<double>,
                                         View3<double>, View2<double>,
                                         const Work&) noexcept;

} // namespace fastnotes::evidence
