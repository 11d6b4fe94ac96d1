#include "nn/optimizers.hpp"

#include "common/parallel.hpp"
#include "evidence/anchored_sums.hpp"

namespace fastnotes::nn {
namespace {

/// Values that feed one thread, against the cost of starting another.
constexpr index_t grain = 16384;

/// update(i, n) for every vector of [0, size), n its number of real lanes.
template <class T, class Update>
void for_each_vector(index_t size, int n_threads, Update&& update) noexcept {
    constexpr index_t lanes = simd::lanes<T>;
    const int threads = worthwhile_threads(size, grain, n_threads);
    parallel_region(threads, [&](const Team& team) {
        const auto [first, last] = team.share(size);
        for (index_t i = first; i < last; i += lanes) {
            update(i, static_cast<std::size_t>(std::min(lanes, last - i)));
        }
    });
}

/// The gradient with its penalty.
template <class V>
FASTNOTES_INLINE V penalised(V gradient, V parameter, V penalty) noexcept {
    return simd::fma(penalty, parameter, gradient);
}

template <class T> double sum_of_squares(const T* x, index_t n) noexcept {
    using V = simd::Vec<T>;
    using Wide = evidence::Wide<T>;
    Wide sum{};
    for (index_t i = 0; i < n; i += V::size) {
        const auto count = static_cast<std::size_t>(n - i);
        sum = Wide::map([](auto v, auto s) { return simd::fma(v, v, s); },
                        Wide::widen(simd::load_partial<V>(x + i, count)), sum);
    }
    return sum.reduce_add();
}

} // namespace

template <class T> void adam_step(const AdamStep<T>& step, int n_threads) noexcept {
    using V = simd::Vec<T>;
    const auto constant = [](double value) { return V(static_cast<T>(value)); };
    const V keep_mean = constant(step.beta1), take_mean = constant(1 - step.beta1);
    const V keep_square = constant(step.beta2), take_square = constant(1 - step.beta2);
    const V rate = constant(step.learning_rate * step.mean_scale);
    const V square_scale = constant(step.square_scale);
    const V epsilon = constant(step.epsilon);
    const V penalty = constant(step.penalty), shrink = constant(step.shrink);
    for_each_vector<T>(step.parameter.size, n_threads, [&](index_t i, std::size_t n) {
        T *const p_at = step.parameter.data + i, *const m_at = step.mean.data + i,
                 *const v_at = step.square.data + i;
        const V p = simd::load_partial<V>(p_at, n);
        const V g =
            penalised(simd::load_partial<V>(step.gradient.data + i, n), p, penalty);
        const V m = simd::fma(keep_mean, simd::load_partial<V>(m_at, n), take_mean * g);
        const V v =
            simd::fma(keep_square, simd::load_partial<V>(v_at, n), take_square * g * g);
        simd::store_partial(m_at, m, n);
        simd::store_partial(v_at, v, n);
        const V move = rate * m / (simd::sqrt(square_scale * v) + epsilon);
        simd::store_partial(p_at, shrink * p - move, n);
    });
}

template <class T> void sgd_step(const SGDStep<T>& step, int n_threads) noexcept {
    using V = simd::Vec<T>;
    const auto constant = [](double value) { return V(static_cast<T>(value)); };
    const V rate = constant(step.learning_rate), momentum = constant(step.momentum);
    const V penalty = constant(step.penalty), shrink = constant(step.shrink);
    const bool moving = step.velocity.size > 0;
    for_each_vector<T>(step.parameter.size, n_threads, [&](index_t i, std::size_t n) {
        T* const p_at = step.parameter.data + i;
        const V p = simd::load_partial<V>(p_at, n);
        const V g =
            penalised(simd::load_partial<V>(step.gradient.data + i, n), p, penalty);
        V move = g;
        if (moving) {
            T* const u_at = step.velocity.data + i;
            const V u = simd::fma(momentum, simd::load_partial<V>(u_at, n), g);
            simd::store_partial(u_at, u, n);
            move = step.nesterov ? simd::fma(momentum, u, g) : u;
        }
        simd::store_partial(p_at, shrink * p - rate * move, n);
    });
}

template <class T>
double squared_norm(View1<const T> x, double* partial, int n_threads) noexcept {
    const index_t blocks = ceil_div(x.size, norm_block);
    const int threads = worthwhile_threads(x.size, grain, n_threads);
    parallel_for(blocks, threads, [&](index_t block) {
        const index_t first = block * norm_block;
        const index_t last = std::min(first + norm_block, x.size);
        partial[block] = sum_of_squares(x.data + first, last - first);
    });
    double total = 0;
    for (index_t block = 0; block < blocks; ++block) total += partial[block];
    return total;
}

#define FASTNOTES_INSTANTIATE(T)                                                       \
    template void adam_step(const AdamStep<T>&, int) noexcept;                         \
    template void sgd_step(const SGDStep<T>&, int) noexcept;                           \
    template double squared_norm(View1<const T>, double*, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::nn
