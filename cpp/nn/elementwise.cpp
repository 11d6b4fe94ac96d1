#include "nn/elementwise.hpp"

#include "common/parallel.hpp"
#include "common/simd_math.hpp"

namespace fastnotes::nn {
namespace {

/// Values that feed one thread, against the cost of starting another.
constexpr index_t grain = 32768;

/// Results larger than this leave the caches anyway.
constexpr index_t stream_bytes = index_t{8} << 20;

/// y = f(x) for n values.
template <class T, class F>
void apply(F f, const T* x, T* y, index_t n, bool stream) noexcept {
    using V = simd::Vec<T>;
    index_t i = 0;
    if (stream) { // up to the first aligned address of y
        const auto past = reinterpret_cast<std::uintptr_t>(y) % sizeof(V);
        const auto missing = (sizeof(V) - past) % sizeof(V) / sizeof(T);
        i = std::min(n, static_cast<index_t>(missing));
        const auto count = static_cast<std::size_t>(i);
        simd::store_partial(y, f(simd::load_partial<V>(x, count)), count);
        for (; i + V::size <= n; i += V::size) {
            simd::stream(y + i, f(simd::load<V>(x + i)));
        }
        simd::stream_fence();
    } else {
        for (; i + V::size <= n; i += V::size) {
            simd::store(y + i, f(simd::load<V>(x + i)));
        }
    }
    const auto rest = static_cast<std::size_t>(n - i);
    simd::store_partial(y + i, f(simd::load_partial<V>(x + i, rest)), rest);
}

template <class T, class F>
void apply(F f, View1<const T> x, View1<T> y, int n_threads) noexcept {
    const bool stream = y.size * static_cast<index_t>(sizeof(T)) > stream_bytes;
    const int threads = worthwhile_threads(x.size, grain, n_threads);
    parallel_region(threads, [&](const Team& team) {
        const auto [first, last] = team.share(x.size);
        apply(f, x.data + first, y.data + first, last - first, stream);
    });
}

} // namespace

template <class T>
void elementwise(Elementwise function, View1<const T> x, View1<T> y,
                 int n_threads) noexcept {
    switch (function) {
    case Elementwise::exp:
        return apply([](auto v) { return simd::exp(v); }, x, y, n_threads);
    case Elementwise::log:
        return apply([](auto v) { return simd::log(v); }, x, y, n_threads);
    case Elementwise::log1p:
        return apply([](auto v) { return simd::log1p(v); }, x, y, n_threads);
    case Elementwise::expm1:
        return apply([](auto v) { return simd::expm1(v); }, x, y, n_threads);
    case Elementwise::tanh:
        return apply([](auto v) { return simd::tanh(v); }, x, y, n_threads);
    case Elementwise::sigmoid:
        return apply([](auto v) { return simd::sigmoid(v); }, x, y, n_threads);
    case Elementwise::softplus:
        return apply([](auto v) { return simd::softplus(v); }, x, y, n_threads);
    }
}

template void elementwise(Elementwise, View1<const float>, View1<float>, int) noexcept;
template void elementwise(Elementwise, View1<const double>, View1<double>,
                          int) noexcept;

} // namespace fastnotes::nn
