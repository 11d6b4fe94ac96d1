#include "evidence/log_sum_exp.hpp"

#include "evidence/cuda_launch.cuh"

namespace fastnotes::evidence::cuda {

template <class T>
index_t scratch_size(index_t outer, index_t count, index_t inner) noexcept {
    return ChunkScratch<T>::bytes(outer, count, inner);
}

template <class T>
Status log_sum_exp(View3<const T> a, View3<const T> factors, View2<T> out, bool mean,
                   const Work& work) noexcept {
    Results<T> results;
    results.value = out.data;
    results.count = mean ? static_cast<double>(a.rows) : 1.0;
    results.positive = factors.data == nullptr;
    return reduce(a, factors.data, results, work);
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template index_t scratch_size<T>(index_t, index_t, index_t) noexcept;              \
    template Status log_sum_exp<T>(View3<const T>, View3<const T>, View2<T>, bool,     \
                                   const Work&) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::evidence::cuda
