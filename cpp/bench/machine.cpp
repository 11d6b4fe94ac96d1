#include "bench/machine.hpp"

#include "common/parallel.hpp"
#include "common/simd.hpp"

#include <atomic>

namespace fastnotes::bench {

std::int64_t read_memory(View1<const std::int64_t> data, index_t n_passes,
                         int n_threads) noexcept {
    using V = simd::Vec<std::int64_t>;
    constexpr index_t unroll = 8;
    constexpr index_t step = unroll * V::size;
    std::atomic<std::int64_t> total{0};
    parallel_region(n_threads, [&](const Team& team) {
        const auto [first, last] = team.share(data.size);
        V sums[unroll];
        for (auto& sum : sums) sum = V(0);
        std::int64_t rest = 0;
        for (index_t pass = 0; pass < n_passes; ++pass) {
            index_t i = first;
            for (; i + step <= last; i += step) {
                for (index_t k = 0; k < unroll; ++k) {
                    sums[k] += simd::load<V>(data.data + i + k * V::size);
                }
            }
            for (; i < last; ++i) rest += data(i);
            // The compiler may not merge passes: memory might have changed.
            asm volatile("" : : : "memory");
        }
        for (const auto& sum : sums) rest += simd::reduce_add(sum);
        total.fetch_add(rest, std::memory_order_relaxed);
    });
    return total.load();
}

template <class T> index_t multiply_add(View1<T> out, index_t n_steps) noexcept {
    using V = simd::Vec<T>;
    // Latency 4 times two units, with room to spare, in at most 16 registers.
    constexpr int chains = 12;
    const auto n_threads = static_cast<int>(out.size);
    parallel_for(n_threads, n_threads, [&](index_t thread) {
        V values[chains];
        for (int k = 0; k < chains; ++k) values[k] = V(static_cast<T>(k));
        const V factor(static_cast<T>(0.5)), term(static_cast<T>(1));
        for (index_t step = 0; step < n_steps; ++step) {
            for (auto& value : values) value = simd::fma(value, factor, term);
        }
        V sum(static_cast<T>(0));
        for (const auto& value : values) sum += value;
        out(thread) = simd::reduce_add(sum);
    });
    return index_t{2} * chains * V::size * n_steps * n_threads;
}

template index_t multiply_add(View1<float>, index_t) noexcept;
template index_t multiply_add(View1<double>, index_t) noexcept;

} // namespace fastnotes::bench
