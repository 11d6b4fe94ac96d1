#include "evidence/importance_weights.hpp"

#include "evidence/cuda_launch.cuh"

namespace fastnotes::evidence::cuda {

template <class T>
Status importance_weights(View3<const T> log_w, View2<T> bound, View3<T> weights,
                          View2<T> ess, const Work& work) noexcept {
    Results<T> results;
    results.value = bound.data;
    results.ess = ess.data;
    results.count = static_cast<double>(log_w.rows);
    return transform<true, Weigh<T>>(log_w, weights.data, results, work);
}

template Status importance_weights<float>(View3<const float>, View2<float>,
                                          View3<float>, View2<float>,
                                          const Work&) noexcept;
template Status importance_weights<double>(View3<const double>, View2<double>,
                                           View3<double>, View2<double>,
                                           const Work&) noexcept;

} // namespace fastnotes::evidence::cuda
