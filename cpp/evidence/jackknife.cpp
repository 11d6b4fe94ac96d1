#include "evidence/jackknife.hpp"

#include "common/parallel.hpp"
#include "evidence/jackknife_subsets.hpp"

#include <cmath>

namespace fastnotes::evidence {

namespace {

using namespace jvi;

/// Samples that pay for a thread.
constexpr index_t samples_per_thread = 1 << 11;
/// Groups that a thread takes at a time: a cache line or more of bounds.
constexpr index_t groups_per_block = 4;

/// `width` columns, or fewer at the end, in an (outer, K, inner) array.
template <class T> struct Group {
    index_t offset[width]; // of sample 0; spare lanes repeat the last column
    int size;              // lanes in use
    index_t stride, count;
    bool together; // one vector of memory

    Group(const View3<const T>& a, index_t first) noexcept
        : size(
              static_cast<int>(std::min<index_t>(width, a.planes * a.columns - first))),
          stride(a.columns), count(a.rows) {
        for (int lane = 0; lane < width; ++lane) {
            const index_t output = first + std::min(lane, size - 1);
            const index_t plane = output / a.columns;
            offset[lane] = plane * a.rows * a.columns + output % a.columns;
        }
        together = offset[width - 1] - offset[0] == width - 1;
    }

    void load(const T* from, double* x) const noexcept {
        if (together) {
            for (index_t k = 0; k < count; ++k) {
                const T* const row = from + offset[0] + k * stride;
                for (int lane = 0; lane < width; ++lane) {
                    x[k * width + lane] = static_cast<double>(row[lane]);
                }
            }
            return;
        }
        for (int lane = 0; lane < width; ++lane) {
            const T* const column = from + offset[lane];
            for (index_t k = 0; k < count; ++k) {
                x[k * width + lane] = static_cast<double>(column[k * stride]);
            }
        }
    }

    void store(const double* x, T* to) const noexcept {
        if (together) { // spare lanes would repeat an offset
            for (index_t k = 0; k < count; ++k) {
                T* const row = to + offset[0] + k * stride;
                for (int lane = 0; lane < width; ++lane) {
                    row[lane] = static_cast<T>(x[k * width + lane]);
                }
            }
            return;
        }
        for (int lane = 0; lane < size; ++lane) {
            T* const column = to + offset[lane];
            for (index_t k = 0; k < count; ++k) {
                column[k * stride] = static_cast<T>(x[k * width + lane]);
            }
        }
    }
};

/// The gradient over e, from x of the light samples.
template <int M>
void spread(const Column<M>& column, const Gradient<M>& gradient, const double* x,
            double* e, index_t count) noexcept {
    constexpr int size = Gradient<M>::size;
    const V share = column.top[0][M] / column.sum;
    for (index_t k = 0; k < count; ++k) {
        const V value = simd::load<V>(x + k * width);
        const V square = value * value;
        V even = gradient.light[size - 2], odd = gradient.light[size - 1];
        for (int n = size - 4; n >= 0; n -= 2) {
            even = fma(even, square, gradient.light[n]);
            odd = fma(odd, square, gradient.light[n + 1]);
        }
        const V factor = fma(odd, value, even);
        const V total = simd::load<V>(e + k * width) * (share + factor);
        simd::store(e + k * width, select(column.dead, V(nan), total));
    }
    const auto& heavy = column.heavy;
    for (int lane = 0; lane < width; ++lane) {
        if (column.dead.raw[lane] != 0) continue;
        for (int i = 0; i < heavy.size[lane]; ++i) {
            const V own = (i < M ? column.top[0][i < M ? i : 0]
                                 : heavy.exponential(i) * column.top[0][M]) /
                          column.sum;
            e[heavy.index[i][lane] * width + lane] =
                own[lane] + gradient.heavy[i][lane];
        }
    }
}

struct Answer {
    V bound, ess;
};

/// The answer for `width` columns in x; their gradient in e if wanted. Both are used.
template <int M, bool WithGradient>
Answer solve(double* x, double* e, index_t count, const double* shares) noexcept {
    Column<M> column;
    find_ranks(x, count, column);
    exponentiate(x, e, count, column);
    separate(x, e, count, column);
    const LightSums<M> sums(x, count, column.n_light);
    Gradient<M> gradient;
    Subsets<M, WithGradient> subsets(column, sums, count, shares, &gradient);
    const V correction = subsets.walk();
    const V mean = simd::log(column.sum) - V(std::log(static_cast<double>(count)));
    if constexpr (WithGradient) {
        gradient.finish(sums, column.n_light);
        spread(column, gradient, x, e, count);
    }
    const V bound =
        select(column.positive, V(infinity), column.rank[0] + (mean + correction));
    const V ess =
        select(column.has_nan, V(nan), select(column.dead, V(0.0), column.ess));
    return {select(column.dead, V(nan), bound), ess};
}

using Solver = Answer (*)(double*, double*, index_t, const double*) noexcept;

template <bool WithGradient> Solver solver(int order) noexcept {
    constexpr Solver solvers[] = {solve<1, WithGradient>, solve<2, WithGradient>,
                                  solve<3, WithGradient>, solve<4, WithGradient>,
                                  solve<5, WithGradient>};
    return solvers[order - 1];
}

index_t scratch_of_thread(index_t count) noexcept {
    return round_up(2 * count * width, 8);
}

int useful_threads(index_t n_outputs, index_t count, int n_threads) noexcept {
    const index_t blocks = ceil_div(n_outputs, groups_per_block * width);
    return std::min(
        worthwhile_threads(n_outputs * count, samples_per_thread, n_threads),
        static_cast<int>(std::clamp<index_t>(blocks, 1, n_threads)));
}

} // namespace

index_t jackknife_scratch(index_t outer, index_t count, index_t inner,
                          int n_threads) noexcept {
    return useful_threads(outer * inner, count, n_threads) * scratch_of_thread(count);
}

template <class T>
void jackknife(View3<const T> log_w, View1<const double> shares, View2<T> bound,
               View3<T> gradient, View2<double> ess, View1<double> scratch,
               int n_threads) noexcept {
    const index_t count = log_w.rows, n_outputs = log_w.planes * log_w.columns;
    const bool with_gradient = gradient.data != nullptr;
    const auto order = static_cast<int>(shares.size) - 1;
    const Solver solve = with_gradient ? solver<true>(order) : solver<false>(order);
    const int threads = useful_threads(n_outputs, count, n_threads);
    const auto do_group = [&](index_t first, double* x) {
        double* const e = x + count * width;
        const Group<T> group(log_w, first);
        group.load(log_w.data, x);
        const Answer answer = solve(x, e, count, shares.data);
        for (int lane = 0; lane < group.size; ++lane) {
            bound.data[first + lane] = static_cast<T>(answer.bound[lane]);
            ess.data[first + lane] = answer.ess[lane];
        }
        if (with_gradient) group.store(e, gradient.data);
    };
    const index_t step = groups_per_block * width;
    parallel_blocks(ceil_div(n_outputs, step), threads, [&](index_t block, int thread) {
        const index_t end = std::min(n_outputs, (block + 1) * step);
        for (index_t first = block * step; first < end; first += width) {
            do_group(first, scratch.data + thread * scratch_of_thread(count));
        }
    });
}

template void jackknife<float>(View3<const float>, View1<const double>, View2<float>,
                               View3<float>, View2<double>, View1<double>,
                               int) noexcept;
template void jackknife<double>(View3<const double>, View1<const double>, View2<double>,
                                View3<double>, View2<double>, View1<double>,
                                int) noexcept;

} // namespace fastnotes::evidence
