#include "evidence/log_sum_exp.hpp"

#include "evidence/sweep.hpp"
#include "evidence/totals.hpp"

namespace fastnotes::evidence {

template <class T>
index_t scratch_size(index_t outer, index_t count, index_t inner, bool last_axis,
                     int n_threads) noexcept {
    return partial_strips_size<T>(
        Tiling(outer, count, inner, last_axis, n_threads, Strip<T>::capacity));
}

template <class T>
void log_sum_exp(View3<const T> a, View3<const T> factors, View2<T> out, bool mean,
                 const Work& work) noexcept {
    const auto tiling = tile<T>(a, work);
    const Terms<T> terms{a.data, factors.data};
    const bool positive = factors.data == nullptr;
    const double count = mean ? static_cast<double>(a.rows) : 1.0;
    const auto finish = [&](Strip<T>& strip, index_t at, index_t size) {
        for (index_t i = 0; i < size; i += simd::lanes<T>) {
            const Totals<T> totals(strip.load(i), positive);
            simd::store_partial(out.data + at + i, totals.log_mean(count),
                                static_cast<std::size_t>(size - i));
        }
    };
    const auto emit = [](const auto&...) {};
    if (positive) {
        sweep<false, false>(tiling, terms, work.scratch, finish, emit);
    } else {
        sweep<false, true>(tiling, terms, work.scratch, finish, emit);
    }
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t scratch_size<T>(index_t, index_t, index_t, bool, int) noexcept;   \
    template void log_sum_exp<T>(View3<const T>, View3<const T>, View2<T>, bool,       \
                                 const Work&) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::evidence
