#include "graph/chebyshev.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <type_traits>

namespace fastnotes::graph {
namespace {

constexpr index_t block_size = 1 << 12;
constexpr index_t values_per_thread = 1 << 15;

using Doubles = simd::Vec<double>;

/// acc + a * b, lane by lane in f64.
template <class V> FASTNOTES_INLINE Doubles add_products(V a, V b, Doubles acc) {
    if constexpr (std::is_same_v<V, Doubles>) {
        return simd::fma(a, b, acc);
    } else {
        acc = simd::fma(simd::widen_low(a), simd::widen_low(b), acc);
        return simd::fma(simd::widen_high(a), simd::widen_high(b), acc);
    }
}

} // namespace

index_t filter_term_partials(index_t size) noexcept {
    return ceil_div(size, block_size);
}

template <class T>
double filter_term(View1<const T> term, View1<const T> x, T factor, View1<T> sum,
                   double* partials, int n_threads) noexcept {
    using Vec = simd::Vec<T>;
    n_threads = worthwhile_threads(term.size, values_per_thread, n_threads);
    const index_t n_blocks = filter_term_partials(term.size);
    parallel_blocks(n_blocks, n_threads, [&](index_t block, int) {
        const index_t first = block * block_size;
        const index_t last = std::min(first + block_size, term.size);
        Doubles dot(0.0);
        for (index_t i = first; i < last; i += Vec::size) {
            const auto count = static_cast<std::size_t>(last - i);
            const Vec t = simd::load_partial<Vec>(term.data + i, count);
            const Vec s = simd::load_partial<Vec>(sum.data + i, count);
            dot = add_products(t, simd::load_partial<Vec>(x.data + i, count), dot);
            simd::store_partial(sum.data + i, simd::fma(Vec(factor), t, s), count);
        }
        partials[block] = simd::reduce_add(dot);
    });
    return std::accumulate(partials, partials + n_blocks, 0.0);
}

template double filter_term(View1<const float>, View1<const float>, float, View1<float>,
                            double*, int) noexcept;
template double filter_term(View1<const double>, View1<const double>, double,
                            View1<double>, double*, int) noexcept;

} // namespace fastnotes::graph
