#include "evidence/softmax.hpp"

#include "evidence/sweep.hpp"
#include "evidence/totals.hpp"

namespace fastnotes::evidence {

template <class T>
void softmax(View3<const T> a, View3<T> out, bool log, const Work& work) noexcept {
    using V = simd::Vec<T>;
    if (out.size() == 0) return; // however many rows of nothing there are
    const auto tiling = tile<T>(a, work);
    const auto finish = [&](Strip<T>& strip, index_t, index_t size) {
        for (index_t i = 0; i < size; i += V::size) {
            const Totals<T> totals(strip.load(i), true);
            simd::store(strip.term + i, log ? totals.log_sum() : totals.raised_scale());
        }
    };
    const auto emit = [&](const Strip<T>& strip, const Tiling::Strip& tile,
                          Tiling::Range range) {
        if (log) {
            transform(
                tiling, tile, range, strip, a.data, out.data,
                [](V x, V largest, V log_sum) { return shift(x, largest) - log_sum; });
        } else {
            emit_weights(tiling, tile, range, strip, a.data, out.data);
        }
    };
    sweep<false, false>(tiling, Terms<T>{a.data, nullptr}, work.scratch, finish, emit);
}

template void softmax<float>(View3<const float>, View3<float>, bool,
                             const Work&) noexcept;
template void softmax<double>(View3<const double>, View3<double>, bool,
                              const Work&) noexcept;

} // namespace fastnotes::evidence
