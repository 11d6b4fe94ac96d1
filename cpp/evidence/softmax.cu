#include "evidence/softmax.hpp"

#include "evidence/cuda_launch.cuh"

namespace fastnotes::evidence::cuda {

template <class T>
Status softmax(View3<const T> a, View3<T> out, bool log, const Work& work) noexcept {
    Results<T> results;
    results.log_term = log;
    return log ? transform<false, LogWeigh<T>>(a, out.data, results, work)
               : transform<false, Weigh<T>>(a, out.data, results, work);
}

template Status softmax<float>(View3<const float>, View3<float>, bool,
                               const Work&) noexcept;
template Status softmax<double>(View3<const double>, View3<double>, bool,
                                const Work&) noexcept;

} // namespace fastnotes::evidence::cuda
