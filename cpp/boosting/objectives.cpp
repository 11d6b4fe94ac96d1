#include "boosting/objectives.hpp"

#include "boosting/losses.hpp"
#include "common/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <limits>

namespace fastnotes::boosting {
namespace {

using losses::Single;
using losses::V;
using losses::Wide;

constexpr index_t block_rows = 4096;
constexpr index_t tile_rows = 64;  ///< of a softmax: its exponentials stay in L1 or L2
constexpr index_t grain = 1 << 14; ///< values that are worth a thread
constexpr index_t none = std::numeric_limits<index_t>::max();

/// The values of rows [i, i + V::size) as doubles, zeros from n on.
template <class T> FASTNOTES_INLINE V read(const T* values, index_t i, index_t n) {
    using Narrow = simd::Vec<T, V::size>;
    const auto count = static_cast<std::size_t>(std::max(n - i, index_t{0}));
    const auto some = simd::load_partial<Narrow>(values + i, count);
    if constexpr (sizeof(T) == 8) {
        return some;
    } else {
        return simd::convert<double>(some);
    }
}

/// The same of twice as many rows.
template <class T>
FASTNOTES_INLINE Wide read_wide(const T* values, index_t i, index_t n) {
    return {read(values, i, n), read(values, i + V::size, n)};
}

FASTNOTES_INLINE V read_weight(View1<const float> weight, index_t i, index_t n) {
    return weight.data == nullptr ? V(1.0) : read(weight.data, i, n);
}

FASTNOTES_INLINE Wide read_wide_weight(View1<const float> weight, index_t i,
                                       index_t n) {
    if (weight.data == nullptr) return {V(1.0), V(1.0)};
    return read_wide(weight.data, i, n);
}

FASTNOTES_INLINE V floored(V h) {
    return select(h < V(smallest_hessian), V(smallest_hessian), h);
}

/// Writes g and h of one output, and notes whether all were finite.
class Writer {
  public:
    Writer(float* grad, float* hess) : grad_(grad), hess_(hess) {}

    FASTNOTES_INLINE void write(Single g, Single h, index_t i, index_t n) {
        const auto count = static_cast<std::size_t>(n - i);
        simd::store_partial(grad_ + i, g, count);
        simd::store_partial(hess_ + i, h, count);
        poison_ += (g - g) + (h - h);
    }

    bool finite() const { return !any(poison_ != Single(0.0f)); }

  private:
    float *grad_, *hess_;
    Single poison_{0.0f}; // x - x is 0, or NaN for NaN and infinity
};

/// The smallest index that any thread reports.
class First {
  public:
    void report(index_t index) noexcept {
        index_t known = index_.load(std::memory_order_relaxed);
        while (index < known &&
               !index_.compare_exchange_weak(known, index, std::memory_order_relaxed)) {
        }
    }

    index_t index_or_none() const noexcept {
        const index_t index = index_.load(std::memory_order_relaxed);
        return index == none ? -1 : index;
    }

  private:
    std::atomic<index_t> index_{none};
};

/// Reports the first bad value of rows [first, last) of one output.
void find_bad(View2<float> grad, View2<float> hess, index_t output, index_t first,
              index_t last, First& bad) noexcept {
    for (index_t i = first; i < last; ++i) {
        if (!std::isfinite(grad(output, i)) || !std::isfinite(hess(output, i))) {
            return bad.report(output * grad.columns + i);
        }
    }
}

/// g and h of a vector of rows, weighted and rounded.
template <class L>
FASTNOTES_INLINE losses::SingleDerivatives weighted(const L& loss, Wide y, Wide m,
                                                    Wide weight) {
    const auto low = loss.derivatives(y.low, m.low);
    const auto high = loss.derivatives(y.high, m.high);
    return {simd::narrow(low.g * weight.low, high.g * weight.high),
            simd::narrow(floored(low.h) * weight.low, floored(high.h) * weight.high)};
}

FASTNOTES_INLINE losses::SingleDerivatives weighted(const losses::Logistic& loss,
                                                    Wide y, Wide m, Wide weight) {
    const Single floor(static_cast<float>(smallest_hessian)), w = weight.single();
    const auto d = loss.derivatives(y, m);
    return {d.g * w, select(d.h < floor, floor, d.h) * w};
}

template <class L, class Y>
bool differentiate(const L& loss, const Rows<Y>& rows, const double* margins,
                   float* grad, float* hess, index_t first, index_t last) noexcept {
    Writer writer(grad, hess);
    const auto step = [&](index_t i, index_t end) __attribute__((always_inline)) {
        const auto d =
            weighted(loss, read_wide(rows.y.data, i, end), read_wide(margins, i, end),
                     read_wide_weight(rows.weight, i, end));
        writer.write(d.g, d.h, i, end);
    };
    index_t i = first;
    for (; i + Single::size <= last; i += Single::size) step(i, i + Single::size);
    if (i < last) step(i, last);
    return writer.finite();
}

template <class L, class Y>
double sum_block(const L& loss, const Rows<Y>& rows, const double* margins,
                 index_t first, index_t last) noexcept {
    V sum(0.0);
    for (index_t i = first; i < last; i += V::size) {
        const V y = read(rows.y.data, i, last), m = read(margins, i, last);
        const V value = read_weight(rows.weight, i, last) * loss.value(y, m);
        const auto inside = simd::first_lanes<V>(static_cast<std::size_t>(last - i));
        sum += select(inside, value, V(0.0));
    }
    return reduce_add(sum);
}

double add_up(const double* values, index_t n) noexcept {
    double sum = 0.0;
    for (index_t i = 0; i < n; ++i) sum += values[i];
    return sum;
}

// ---------------------------------------------------------------- softmax

/// One tile of rows: the largest margin of each, and the exponentials of the rest.
struct SoftmaxTile {
    SoftmaxTile(const Rows<std::int32_t>& all, index_t begin, index_t end)
        : rows(all), first(begin), last(end),
          padded(begin + round_up(end - begin, Single::size)) {}

    const Rows<std::int32_t>& rows;
    index_t first, last, padded; ///< padded: whole Singles of rows that count 0
    alignas(64) double largest[tile_rows];
    alignas(64) double total[tile_rows];

    V margin(index_t k, index_t i) const noexcept {
        return read(rows.margins.row(k), i, last);
    }

    void find_largest() noexcept {
        std::fill_n(largest, tile_rows, -std::numeric_limits<double>::infinity());
        for (index_t k = 0; k < rows.margins.rows; ++k) {
            for (index_t i = first; i < padded; i += V::size) {
                double* const place = largest + (i - first);
                simd::store(place, simd::max(simd::load<V>(place), margin(k, i)));
            }
        }
    }

    /// f(k, i, e) with e = exp(margin - largest), summed over k into total.
    template <class F> void exponentials(F&& f) noexcept {
        std::fill_n(total, tile_rows, 0.0);
        for (index_t k = 0; k < rows.margins.rows; ++k) {
            for (index_t i = first; i < padded; i += V::size) {
                const V shift = simd::load<V>(largest + (i - first));
                const V m = margin(k, i), e = simd::exp(m - shift);
                double* const place = total + (i - first);
                simd::store(place, simd::load<V>(place) + e);
                f(k, i, m, e);
            }
        }
    }

    auto is_class(index_t k, index_t i) const noexcept {
        return read(rows.y.data, i, last) == V(static_cast<double>(k));
    }
};

bool differentiate_tile(SoftmaxTile& tile, View2<float> grad, View2<float> hess,
                        double* scratch) noexcept {
    const index_t first = tile.first, last = tile.last;
    tile.find_largest();
    tile.exponentials([&](index_t k, index_t i, V, V e) {
        simd::store(scratch + k * tile_rows + (i - first), e);
    });
    const auto n_classes = static_cast<double>(grad.rows);
    const V one(1.0), zero(0.0), raised(n_classes / (n_classes - 1.0));
    for (index_t i = 0; i < tile_rows; i += V::size) {
        simd::store(tile.total + i, one / simd::load<V>(tile.total + i));
    }
    bool finite = true;
    for (index_t k = 0; k < grad.rows; ++k) {
        Writer writer(grad.row(k), hess.row(k));
        const auto emit = [&](index_t i) {
            const V e = simd::load<V>(scratch + k * tile_rows + (i - first));
            const V p = e * simd::load<V>(tile.total + (i - first));
            const V weight = read_weight(tile.rows.weight, i, last);
            const V g = p - select(tile.is_class(k, i), one, zero);
            return losses::Derivatives{g * weight,
                                       floored(raised * p * (one - p)) * weight};
        };
        for (index_t i = first; i < last; i += Single::size) {
            const auto low = emit(i), high = emit(i + V::size);
            writer.write(simd::narrow(low.g, high.g), simd::narrow(low.h, high.h), i,
                         last);
        }
        finite &= writer.finite();
    }
    return finite;
}

/// Sum of weight (log sum exp - margin of the class) over a tile.
double sum_tile(SoftmaxTile& tile) noexcept {
    const V zero(0.0);
    alignas(64) double chosen[tile_rows] = {};
    tile.find_largest();
    tile.exponentials([&](index_t k, index_t i, V m, V) {
        double* const place = chosen + (i - tile.first);
        simd::store(place, select(tile.is_class(k, i), m, simd::load<V>(place)));
    });
    V sum = zero;
    for (index_t i = tile.first; i < tile.last; i += V::size) {
        const index_t at = i - tile.first;
        const V log_total = simd::log(simd::load<V>(tile.total + at));
        const V value =
            log_total + (simd::load<V>(tile.largest + at) - simd::load<V>(chosen + at));
        const V weighted = read_weight(tile.rows.weight, i, tile.last) * value;
        const auto inside =
            simd::first_lanes<V>(static_cast<std::size_t>(tile.last - i));
        sum += select(inside, weighted, zero);
    }
    return reduce_add(sum);
}

} // namespace

// ---------------------------------------------------------------- entry points

template <class Y>
index_t pointwise_gradients(Loss loss, const Rows<Y>& rows, View1<const double> a,
                            View2<float> grad, View2<float> hess,
                            int n_threads) noexcept {
    const index_t n_rows = rows.y.size;
    const int threads = worthwhile_threads(rows.margins.size(), grain, n_threads);
    First bad;
    for (index_t k = 0; k < a.size; ++k) {
        losses::dispatch(loss, a(k), [&](const auto& chosen) {
            parallel_for(ceil_div(n_rows, block_rows), threads, [&](index_t block) {
                const index_t first = block * block_rows;
                const index_t last = std::min(n_rows, first + block_rows);
                if (!differentiate(chosen, rows, rows.margins.row(k), grad.row(k),
                                   hess.row(k), first, last)) {
                    find_bad(grad, hess, k, first, last, bad);
                }
            });
        });
    }
    return bad.index_or_none();
}

index_t loss_blocks(index_t n_rows) noexcept { return ceil_div(n_rows, block_rows); }

template <class Y>
void pointwise_loss(Loss loss, const Rows<Y>& rows, View1<const double> a,
                    View1<double> sums, double* scratch, int n_threads) noexcept {
    const index_t n_rows = rows.y.size, n_blocks = loss_blocks(n_rows);
    const int threads = worthwhile_threads(rows.margins.size(), grain, n_threads);
    for (index_t k = 0; k < a.size; ++k) {
        losses::dispatch(loss, a(k), [&](const auto& chosen) {
            parallel_for(n_blocks, threads, [&](index_t block) {
                const index_t first = block * block_rows;
                scratch[block] = sum_block(chosen, rows, rows.margins.row(k), first,
                                           std::min(n_rows, first + block_rows));
            });
        });
        sums(k) = add_up(scratch, n_blocks);
    }
}

index_t softmax_scratch(index_t n_rows, index_t n_classes, int n_threads) noexcept {
    return n_classes * tile_rows *
           worthwhile_threads(n_rows * n_classes, grain, n_threads);
}

index_t softmax_gradients(const Rows<std::int32_t>& rows, View2<float> grad,
                          View2<float> hess, double* scratch, int n_threads) noexcept {
    const index_t n_rows = rows.y.size, n_classes = rows.margins.rows;
    const int threads = worthwhile_threads(n_rows * n_classes, grain, n_threads);
    First bad;
    parallel_region(threads, [&](const Team& team) {
        const auto share = team.share(ceil_div(n_rows, tile_rows));
        double* const own = scratch + team.index * n_classes * tile_rows;
        for (index_t t = share.first; t < share.last; ++t) {
            const index_t first = t * tile_rows;
            SoftmaxTile tile(rows, first, std::min(n_rows, first + tile_rows));
            if (differentiate_tile(tile, grad, hess, own)) continue;
            for (index_t k = 0; k < n_classes; ++k) {
                find_bad(grad, hess, k, first, tile.last, bad);
            }
        }
    });
    return bad.index_or_none();
}

double softmax_loss(const Rows<std::int32_t>& rows, double* scratch,
                    int n_threads) noexcept {
    const index_t n_rows = rows.y.size, n_blocks = loss_blocks(n_rows);
    const int threads = worthwhile_threads(rows.margins.size(), grain, n_threads);
    parallel_for(n_blocks, threads, [&](index_t block) {
        const index_t end = std::min(n_rows, (block + 1) * block_rows);
        double sum = 0.0;
        for (index_t first = block * block_rows; first < end; first += tile_rows) {
            SoftmaxTile tile(rows, first, std::min(end, first + tile_rows));
            sum += sum_tile(tile);
        }
        scratch[block] = sum;
    });
    return add_up(scratch, n_blocks);
}

#define FASTNOTES_INSTANTIATE(Y)                                                       \
    template index_t pointwise_gradients<Y>(Loss, const Rows<Y>&, View1<const double>, \
                                            View2<float>, View2<float>, int) noexcept; \
    template void pointwise_loss<Y>(Loss, const Rows<Y>&, View1<const double>,         \
                                    View1<double>, double*, int) noexcept;
FASTNOTES_INSTANTIATE(float)
FASTNOTES_INSTANTIATE(double)
#undef FASTNOTES_INSTANTIATE

} // namespace fastnotes::boosting
